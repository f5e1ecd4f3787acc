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

// ---- this server attacked by a page of another site ----------------------------------------------------------------------

const NOTICED = {
    "HF-SESSION-001": "SameSite=Strict: the browser did not even send the cookie",
    "HF-CSRF-001": "the token: the other site cannot know it",
    "HF-CSRF-002": "the origin: Sec-Fetch-Site says cross-site",
    "HF-CSRF-003": "the origin: it is not this one",
};
const coins = async (how) => (await ask(`/api/attack/${how === "all" ? "purse" : "loose-purse"}`)).coins;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The window may be looked into when it is of this site again: then it shows our answer to the forged form.
async function answerIn(opened, how) {
    for (const begun = performance.now(); performance.now() - begun < 20000; await pause(50)) {
        try {
            if (opened.location.pathname === `/api/attack/${how}` && opened.document.readyState === "complete")
                return opened.document.body.innerText;
        } catch {
            continue; // it is still the other site's
        }
    }
    throw new Error("the other site's window did not come back within 20 s");
}

async function attack(how, place) {
    const list = document.createElement("dl"), opened = open("about:blank", "_blank", "width=640,height=480"), before = await coins(how);
    if (!opened)
        throw new Error("the browser did not let this page open a window");
    opened.location = `${location.protocol}//evil.${location.host}/api/attack/page?with=${how}`;
    const text = await answerIn(opened, how), code = /HF-[A-Z0-9]+-[0-9]{3}/.exec(text)?.[0];
    row(list, "who noticed", code ? `${NOTICED[code] ?? "this server"} (${code})` : "nobody: the handler ran");
    row(list, "your purse", `${before} coins before, ${await coins(how)} now`);
    place.replaceChildren(list);
}

const field = document.querySelector("[data-attack]"), told = field?.querySelector("[role=status]");
field?.addEventListener("click", async (event) => {
    const how = event.target.closest("button")?.dataset.with;
    if (how && !/(^|\.)localhost(:|$)/.test(location.host))
        told.textContent = "The other site has no name here. Open this page by the name localhost: there every name below it is this machine, too.";
    else if (how)
        await attack(how, told).catch((error) => { told.textContent = String(error); });
});

// ---- a session and a token for the same API ------------------------------------------------------------------------------

async function refusedAfter(begun, once) {
    while ((await once()).status === 200)
        await pause(20);
    return `refused after ${((performance.now() - begun) / 1000).toFixed(2)} s`;
}

async function compare(place) {
    const began = await (await post("/api/same/begin")).json(), cost = await (await post("/api/same/cost")).json();
    const byToken = (path) => bearer(path, began.token), bySession = (path) => fetch(path, { headers: { Accept: "application/problem+json" } });
    const table = document.createElement("table"), body = table.createTBody();
    const add = (...cells) => { const line = body.insertRow(); for (const cell of cells) line.insertCell().textContent = cell; return line; };
    const status = async (asked) => { const { status } = await asked; return status === 200 ? "200, let in" : `${status}, refused`; };
    add("", "session", "token");
    add("sent with each request", `${began.session_bytes} bytes`, `${began.token_bytes} bytes`);
    add("kept by the server", `${began.kept_bytes} bytes for each of ${began.kept_sessions}`, "nothing");
    add("one check", `${cost.session_ns} ns`, `${cost.token_ns} ns`);
    add("here", await status(bySession("/api/same/session")), await status(byToken("/api/same/token")));
    add("on a server that shares only the key", await status(bySession("/api/other/session")), await status(byToken("/api/other/token")));
    place.replaceChildren(table);
    const begun = performance.now();
    await Promise.all([post("/api/same/end-session"), bearer("/api/same/end-token", began.token, "POST")]);
    add("logged out: here", await refusedAfter(begun, () => bySession("/api/same/session")), `${await refusedAfter(begun, () => byToken("/api/same/token"))}: a list, which is state`);
    const last = add("logged out: there", "was never in", "still let in …");
    last.cells[2].textContent = `${await refusedAfter(begun, () => byToken("/api/other/token"))}: when it ended by itself`;
}

const both = document.querySelector("[data-compare]");
both?.querySelector("button").addEventListener("click", async (event) => {
    const place = both.querySelector("[role=status]");
    event.target.disabled = true;
    await compare(place).catch((error) => { place.textContent = String(error); });
    event.target.disabled = false;
});
