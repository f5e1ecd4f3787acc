// SPDX-License-Identifier: Apache-2.0
// The live parts of "GET and POST".

import { call, json, onClick, transcript, whenLive } from "./api.js";
import { svg } from "./diagram.js";

const $ = (selector, within = document) => within.querySelector(selector);
const words = { none: "none", allowed: "allowed", required: "required" };

async function contractTable() {
    const rows = json(await call("GET", "/api/methods"));
    if (!Array.isArray(rows)) {
        return;
    }
    const body = $("#contract tbody");
    body.textContent = "";
    for (const row of rows) {
        const tr = body.insertRow();
        const name = document.createElement("th");
        name.scope = "row";
        name.append(Object.assign(document.createElement("code"), { textContent: row.name }));
        tr.append(name);
        for (const promise of ["safe", "idempotent", "cacheable"]) {
            const cell = tr.insertCell();
            cell.append(Object.assign(document.createElement("span"), { className: `yes-no ${row[promise] ? "yes" : "no"}`, textContent: row[promise] ? "yes" : "no" }));
        }
        tr.insertCell().textContent = words[row.body] ?? row.body;
    }
    $("#contract caption").textContent = "Read just now from this server’s own table, at /api/methods.";
}

// ---- the counter ----

function counter() {
    const part = $("#counter");
    const output = $("output", part), box = $(".counter", part), said = $(".transcript", part), told = $(".told", part);
    let value = null;
    const show = (answer, sentence) => {
        const got = json(answer);
        if (got) {
            box.classList.toggle("up", value !== null && got.value !== value);
            value = got.value;
            output.textContent = String(value);
        }
        transcript(said, answer);
        told.textContent = sentence(got);
    };
    onClick($("[data-do=get]", part), async () => {
        const before = value;
        show(await call("GET", "/api/counter"), (got) => got && got.value === before ? "Still the same: asking changes nothing." : "");
    });
    onClick($("[data-do=post]", part), async () => {
        show(await call("POST", "/api/counter"), (got) => got ? "One more." : "");
    });
    onClick($("[data-do=double]", part), async () => {
        const [, second] = await Promise.all([call("POST", "/api/counter"), call("POST", "/api/counter")]);
        const settled = await call("GET", "/api/counter");
        show(second, () => "");
        const got = json(settled);
        if (got) {
            value = got.value;
            output.textContent = String(value);
        }
        told.textContent = "Two more. The server cannot know that you meant one.";
    });
    onClick($("[data-do=put3]", part), async () => {
        let last = null;
        for (let i = 0; i < 3; i += 1) {
            last = await call("PUT", "/api/counter", { headers: { "Content-Type": "text/plain" }, body: "7" });
        }
        show(last, (got) => got ? `Three times “make it 7”, and it is ${got.value}. A lost answer may be asked for again.` : "");
    });
    onClick($("[data-do=post3]", part), async () => {
        let last = null;
        for (let i = 0; i < 3; i += 1) {
            last = await call("POST", "/api/counter");
        }
        show(last, (got) => got ? "Three times “one more”, and it is three more. Blind retries of a POST repeat its effect." : "");
    });
    onClick($("[data-do=key3]", part), async () => {
        const key = `"${crypto.getRandomValues(new Uint32Array(4)).join("-")}"`;
        let last = null;
        for (let i = 0; i < 3; i += 1) {
            last = await call("POST", "/api/counter", { headers: { "Idempotency-Key": key } });
        }
        show(last, (got) => got ? "Three times the same POST with one Idempotency-Key, and it is one more: the server told the others what it told the first." : "");
    });
    return call("GET", "/api/counter").then((answer) => show(answer, () => ""));
}

// ---- any method ----

function methods() {
    const part = $("#methods");
    const said = $(".transcript", part);
    const how = {
        GET: ["/api/search?q=arch"], HEAD: ["/api/search?q=arch"], OPTIONS: ["/api/search"],
        QUERY: ["/api/search", { headers: { "Content-Type": "text/plain" }, body: "arch" }],
        DELETE: ["/api/search"], BREW: ["/api/search"],
    };
    for (const button of part.querySelectorAll("button")) {
        onClick(button, async () => {
            const method = button.dataset.method;
            transcript(said, await call(method, ...how[method]));
        });
    }
}

// ---- state in the URL ----

function littleArch() {
    const part = $("#share");
    const stones = Math.min(21, Math.max(3, Number(new URLSearchParams(location.search).get("stones")) || 7)) | 1;
    const range = $("input", part), label = $("output", part);
    range.value = String(stones);
    label.textContent = String(stones);
    range.addEventListener("input", () => { label.textContent = range.value; draw(Number(range.value)); });
    draw(stones);

    function draw(n) {
        const at = (r, a) => `${(150 + r * Math.cos(a)).toFixed(1)} ${(150 - r * Math.sin(a)).toFixed(1)}`;
        const picture = svg("svg", { viewBox: "0 0 300 156", role: "img", "aria-label": `An arch of ${n} stones` });
        for (let i = 0; i < n; i += 1) {
            const a = Math.PI * i / n + 0.012, b = Math.PI * (i + 1) / n - 0.012;
            picture.append(svg("path", { class: i === (n - 1) / 2 ? "key" : "",
                d: `M${at(88, a)} L${at(140, a)} A140 140 0 0 0 ${at(140, b)} L${at(88, b)} A88 88 0 0 1 ${at(88, a)} Z` }));
        }
        $(".little-arch", part).replaceChildren(picture);
    }
}

// ---- how long may a URL be ----

async function tryLength(list, total) {
    const head = "/api/echo?pad=";
    const answer = await call("GET", head + "x".repeat(total - head.length));
    const item = document.createElement("li");
    const size = Object.assign(document.createElement("span"), { textContent: total.toLocaleString("en") });
    const bar = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { x: 0, y: 0, height: 10, width: Math.min(100, total / 163.84) }));
    const verdict = Object.assign(document.createElement("b"), { textContent: answer.error ? "closed" : String(answer.status) });
    item.className = answer.ok ? "" : "refused";
    item.append(size, bar, verdict);
    list.append(item);
    return answer;
}

function lengths() {
    const part = $("#lengths");
    const list = $(".lengths", part), told = $(".told", part), said = $(".transcript", part);
    onClick($("button", part), async () => {
        list.textContent = "";
        told.textContent = "Asking…";
        let taken = 0, refusal = null;
        for (const total of [512, 1024, 2048, 4096, 8000, 8192, 8193, 12288, 16384]) {
            const answer = await tryLength(list, total);
            if (answer.ok) {
                taken = total;
            } else {
                refusal ??= { total, answer };
            }
        }
        told.textContent = refusal ? `The longest taken was ${taken.toLocaleString("en")} bytes; ${refusal.total.toLocaleString("en")} was refused. `
            + "The habit of 2,000 bytes is four times smaller." : "Nothing was refused up to 16 KiB.";
        if (refusal) {
            said.hidden = false;
            transcript(said, refusal.answer);
        }
    });
}

littleArch();
if (await whenLive()) {
    methods();
    lengths();
    await Promise.all([contractTable(), counter()]);
}
