// SPDX-License-Identifier: Apache-2.0
// The live part of "HTTP versions": which connection carried each request.

import { call, json, onClick, transcript, whenLive } from "./api.js";

const part = document.querySelector("#keep-alive");
const list = part.querySelector(".connections");
const said = part.querySelector(".transcript");
const told = part.querySelector(".told");
const seen = new Map(); // connection id -> { row, mine: our requests on it by their number, highest }

function draw(connection) {
    const { row, mine, highest, closed } = connection;
    const stones = row.querySelector(".stones");
    stones.textContent = "";
    const from = Math.max(1, highest - 39);
    if (from > 1) {
        stones.append(Object.assign(document.createElement("span"), { textContent: `${from - 1} and` }));
    }
    for (let n = from; n <= highest; n += 1) {
        const stone = document.createElement("i");
        stone.className = closed && n === highest ? "last" : mine.has(n) ? "mine" : "";
        stones.append(stone);
    }
    stones.setAttribute("aria-label", `${highest} requests${closed ? ", then closed" : ""}`);
    row.classList.toggle("closed", Boolean(closed));
}

function note(about, closes) {
    let connection = seen.get(about.connection);
    if (!connection) {
        const row = document.createElement("li");
        const name = Object.assign(document.createElement("code"), { textContent: about.connection });
        const stones = Object.assign(document.createElement("div"), { className: "stones" });
        stones.setAttribute("role", "img");
        row.append(name, stones);
        list.append(row);
        connection = { row, mine: new Set(), highest: 0, closed: false };
        seen.set(about.connection, connection);
    }
    connection.mine.add(about.requests_on_connection);
    connection.highest = Math.max(connection.highest, about.requests_on_connection);
    connection.closed ||= closes;
    draw(connection);
}

async function ask(path, closes = false) {
    const answer = await call("GET", path);
    const about = json(answer);
    if (about) {
        note(about, closes);
        part.querySelector("[data-version]").textContent = `HTTP/${about.http}`;
    }
    transcript(said, answer);
    return about;
}

if (await whenLive()) {
    await ask("/api/about");
    onClick(part.querySelector("[data-do=ask]"), async () => {
        const about = await ask("/api/about");
        told.textContent = about ? `Request ${about.requests_on_connection} on connection ${about.connection}.` : "No answer.";
    });
    onClick(part.querySelector("[data-do=six]"), async () => {
        await Promise.all(Array.from({ length: 6 }, () => ask("/api/about")));
        told.textContent = `Six at once, over ${[...seen.values()].filter((c) => !c.closed).length} open connections: HTTP/1.1 answers one request at a time on each, so the browser opens more.`;
    });
    onClick(part.querySelector("[data-do=close]"), async () => {
        const about = await ask("/api/about?close=1", true);
        told.textContent = about ? `The server ended connection ${about.connection} after that answer. Ask again, and another id will carry it.` : "No answer.";
    });
}
