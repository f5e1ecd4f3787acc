// SPDX-License-Identifier: Apache-2.0
// The live part "The same page, five ways": what /api/waterfall measured, as pictures and as a table.

import { call, json, onClick, whenLive } from "./api.js";
import { svg } from "./diagram.js";

const part = document.querySelector("#waterfall");
const loss = part.querySelector("[data-loss]");
const told = part.querySelector(".told");
const pictures = part.querySelector(".waterfalls");
const rows = part.querySelector(".sums tbody");
const WIDTH = 800, ROW = 9, TOP = 30;
let seed = 1;

const ms = (us) => `${Math.round(us / 1000).toLocaleString("en")} ms`;
const bytes = (n) => `${n.toLocaleString("en")} B`;

function bar(className, from, to, y, scale) {
    return svg("rect", { class: className, x: from * scale, y, width: Math.max((to - from) * scale, 1), height: ROW - 3, rx: 1.5 });
}

function picture(load, longest) {
    const scale = (WIDTH - 4) / longest;
    const height = TOP + load.parts.length * ROW + 6;
    const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true", focusable: "false" });
    load.parts.forEach(([, , wanted, asked, first, done], i) => {
        const y = TOP + i * ROW;
        drawn.append(bar("d-bar wait", wanted, asked, y, scale), bar("d-bar setup", asked, first, y, scale), bar("d-bar", first, done, y, scale));
    });
    const end = load.done_us * scale;
    drawn.append(svg("line", { class: "d-life", x1: end, x2: end, y1: TOP - 8, y2: height }));
    return drawn;
}

function show(loads) {
    const longest = Math.max(...loads.map((load) => load.done_us));
    pictures.replaceChildren(...loads.map((load) => {
        const figure = document.createElement("figure");
        const caption = document.createElement("figcaption");
        caption.textContent = `${load.way}: ${ms(load.done_us)}`;
        figure.append(caption, picture(load, longest));
        return figure;
    }));
    rows.replaceChildren(...loads.map((load) => {
        const row = document.createElement("tr");
        const name = Object.assign(document.createElement("th"), { scope: "row", textContent: load.way });
        const cells = [ms(load.done_us), load.connections, load.packets, load.lost, bytes(load.request_heads), bytes(load.answer_heads)];
        row.append(name, ...cells.map((text) => Object.assign(document.createElement("td"), { className: "number", textContent: text })));
        return row;
    }));
}

async function load() {
    const answer = await call("GET", `/api/waterfall?loss=${loss.value}&seed=${seed}`);
    const loads = json(answer);
    if (!loads) {
        told.textContent = "No answer.";
        return;
    }
    show(loads);
    const [first, last] = [loads[0], loads.at(-1)];
    told.textContent = `Seed ${seed}: ${first.way} took ${ms(first.done_us)}, ${last.way} ${ms(last.done_us)}, with ${Math.round(100 * last.request_heads / first.request_heads)} % of its bytes of heads.`;
}

if (await whenLive()) {
    await load();
    loss.addEventListener("change", load);
    onClick(part.querySelector("[data-do=load]"), async () => {
        seed += 1;
        await load();
    });
}
