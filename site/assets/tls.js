// SPDX-License-Identifier: Apache-2.0
// The live part of "TLS": what this browser's own handshake agreed.

import { call, json, onClick, transcript, whenLive } from "./api.js";

const part = document.querySelector("#handshake");
const rows = part.querySelector("tbody");
const told = part.querySelector(".told");

const names = { x25519: "X25519", secp256r1: "P-256", secp384r1: "P-384" };

// What was agreed, one row each: [what, value, what it means].
function describe(h) {
    return [
        ["Version", h.version, h.version === "TLS 1.3" ? "one round trip" : "two round trips, or one when resumed"],
        ["Cipher suite", h.cipher, "encrypts each record and shows any change"],
        ["Key exchange", names[h.group] ?? h.group, h.group === "none" ? "none: the session’s own secret was used" : "the group of the two halves"],
        ["Protocol", h.protocol || "none", "what is spoken inside, chosen by ALPN in the handshake itself"],
        ["Name asked for", h.host || "none", "SNI: which certificate is shown"],
        ["Session", h.resumed ? "resumed" : "new", h.resumed ? "by a ticket: no certificate and no signature" : "with certificate and signature"],
        ["0-RTT", h.early ? "yes" : "no", h.early ? "the request came with the first bytes" : "the request came after the handshake"],
        ["Took", h.microseconds > 0 ? `${(h.microseconds / 1000).toFixed(1)} ms` : "not over yet", "from the connection to the last Finished, as the server saw it"],
    ];
}

async function show() {
    const answer = await call("GET", "/api/handshake");
    const h = json(answer);
    transcript(part.querySelector(".transcript"), answer);
    rows.replaceChildren();
    if (!h?.tls) {
        told.textContent = h ? "This page came over plain HTTP: there was no handshake. Start with https, as in handfast serve --welcome --listen https://localhost:8443."
            : "No answer.";
        return;
    }
    told.textContent = `${h.version}, ${h.resumed ? "resumed" : "from the beginning"}.`;
    for (const [what, value, meaning] of describe(h)) {
        const row = document.createElement("tr");
        const head = Object.assign(document.createElement("th"), { scope: "row", textContent: what });
        row.append(head, document.createElement("td"), document.createElement("td"));
        row.children[1].append(Object.assign(document.createElement("code"), { textContent: value }));
        row.children[2].textContent = meaning;
        rows.append(row);
    }
}

if (await whenLive()) {
    onClick(part.querySelector("[data-do=again]"), show);
    await show();
}
