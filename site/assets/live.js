// SPDX-License-Identifier: Apache-2.0
// The live part of the WebSocket and SSE page: an echo and a clock of this very server, and a button that cuts the line.

import { live } from "./handfast.js";

const line = document.querySelector("#try-echo");
const clock = document.querySelector("#try-ticks");
const board = document.querySelector("#try-board");

function write(list, text) {
    const item = document.createElement("li");
    item.textContent = text;
    list.prepend(item);
    while (list.children.length > 8)
        list.lastChild.remove();
}

// A WebSocket does not come back by itself: wait longer each time, and a little at random.
function open(list, state, attempt = 0) {
    const socket = new WebSocket(new URL("/live/echo", location.href.replace(/^http/, "ws")));
    socket.onopen = () => {
        attempt = 0;
        state.textContent = `open${socket.extensions ? `, ${socket.extensions.split(";")[0]}` : ""}`;
        socket.send("Is anybody there?");
    };
    socket.onmessage = (event) => write(list, `came back: ${event.data}`);
    socket.onclose = (event) => {
        const wait = Math.min(30000, 500 * 2 ** attempt) * (0.5 + Math.random());
        state.textContent = `closed (${event.code}${event.reason ? ` ${event.reason}` : ""}), again in ${(wait / 1000).toFixed(1)} s`;
        setTimeout(() => { line.socket = open(list, state, attempt + 1); }, wait);
    };
    return socket;
}

if (line) {
    const list = line.querySelector("ol"), state = line.querySelector("output");
    line.socket = open(list, state);
    line.querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        const input = line.querySelector("input");
        if (line.socket.readyState === WebSocket.OPEN && input.value)
            line.socket.send(input.value);
        input.value = "";
    });
    line.querySelector("button[data-cut]").addEventListener("click", () => line.socket.close(4000, "cut by the button"));
}

if (clock) {
    const list = clock.querySelector("ol"), state = clock.querySelector("output");
    const source = new EventSource("/live/ticks");
    let last = 0;
    source.onopen = () => { state.textContent = "open"; };
    source.onerror = () => { state.textContent = source.readyState === EventSource.CONNECTING ? "broken: the browser comes back by itself" : "closed"; };
    source.addEventListener("tick", (event) => {
        const id = Number(event.lastEventId);
        write(list, `id ${id}${last && id !== last + 1 ? `: ${id - last - 1} missing` : ""}`);
        last = id;
    });
}

if (board) {
    const follow = (path, list, state, source) => live(path, {
        source,
        message: (m) => write(list, `${m.id?.split("-")[1]}: ${m.data}`),
        gap: () => write(list, "something was missed here"),
        state: (now, detail) => { state.textContent = now === "waiting" ? `broken, again in ${detail.toFixed(1)} s` : now; },
    });
    const outputs = board.querySelectorAll("output"), lists = board.querySelectorAll("ol");
    const socket = follow("/live/board/lobby", lists[0], outputs[0], false);
    follow("/live/board/lobby/events", lists[1], outputs[1], "line");
    board.querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        const input = board.querySelector("input");
        if (input.value)
            socket.send(input.value);
        input.value = "";
    });
    board.querySelector("button[data-cut]").addEventListener("click", () => socket.cut());
}
