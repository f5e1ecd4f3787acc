// SPDX-License-Identifier: Apache-2.0
// The live part of the security page: requests that guards of this server let in or deny, and what they say of it.

const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const plain = (part) => atob(part.replaceAll("-", "+").replaceAll("_", "/"));

function row(list, name, text) {
    const term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = name;
    said.textContent = text;
    list.append(term, said);
}

async function show(place, answer) {
    const text = await answer.text(), list = document.createElement("dl");
    let said = {};
    try {
        said = JSON.parse(text);
    } catch {
        said = { got: text };
    }
    const wanted = /want="([^"]*)"/.exec(answer.headers.get("Handfast-Why") ?? "");
    row(list, "answer", `${answer.status} ${answer.statusText}`.trim());
    for (const [name, value] of [["", said.done], ["code", said.code], ["rule", said.rule], ["got", said.got], ["wanted", wanted?.[1]], ["cause", said.cause], ["fix", said.remedy]])
        if (value)
            row(list, name, value);
    place.replaceChildren(list);
}

const ask = async (path) => (await fetch(path, { headers: { Accept: "application/json" } })).json();
const post = (path, token) => fetch(path, { method: "POST", headers: { Accept: "application/problem+json", ...(token === undefined ? {} : { "X-CSRF-Token": token }) } });
const bearer = (path, token, method = "GET") => fetch(path, { method, headers: { Accept: "application/problem+json", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) } });

async function csrf(act) {
    const { csrf_token: token } = await ask("/api/guards/form");
    const turned = token.slice(0, 43) + base64url(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(33)))).slice(0, 42) + "A";
    switch (act) {
    case "missing": return post("/api/guards/note");
    case "cut": return post("/api/guards/note", token.slice(0, 40));
    case "foreign": return post("/api/guards/note", turned);
    case "gone":
        await post("/api/guards/leave", token);
        return fetch("/api/guards/mine", { headers: { Accept: "application/problem+json" } });
    default: return post("/api/guards/note", token);
    }
}

async function jwt(act) {
    const { token } = await ask("/api/guards/token"), [head, claims, tag] = token.split(".");
    switch (act) {
    case "none": return bearer("/api/guards/claims", `${base64url('{"alg":"none"}')}.${claims}.`);
    case "changed": return bearer("/api/guards/claims", `${head}.${base64url(plain(claims).replace('"you"', '"admin"'))}.${tag}`);
    case "absent": return bearer("/api/guards/claims");
    case "revoked":
        await bearer("/api/guards/revoke", token, "POST");
        return bearer("/api/guards/claims", token);
    default: return bearer("/api/guards/claims", token);
    }
}

for (const [name, run] of [["csrf", csrf], ["jwt", jwt]]) {
    const section = document.querySelector(`[data-guards="${name}"]`), place = section?.querySelector("[role=status]");
    section?.addEventListener("click", async (event) => {
        const act = event.target.closest("button")?.dataset.act;
        if (act)
            await show(place, await run(act)).catch((error) => { place.textContent = String(error); });
    });
}
