// SPDX-License-Identifier: Apache-2.0
// Draws what the pages say in lists: ladders of messages, lanes of time, and rows of decisions. The list is the content
// and stays for those who hear the page; the picture is for those who see it.

const SPACE = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
    const node = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) {
        node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
}

function text(x, y, className, anchor, words) {
    return svg("text", { x, y, class: className, "text-anchor": anchor }, words);
}

function canvas(width, height) {
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" });
}

// On a phone the pictures are drawn anew, not shrunk: what stood beside a line moves under it.
const narrow = matchMedia("(max-width: 40rem)");

// ---- a ladder: two lifelines and the messages between them ----

function ladderShape() {
    return narrow.matches ? { width: 420, left: 22, right: 398, top: 62, step: 76, slope: 22, inside: true }
        : { width: 800, left: 205, right: 595, top: 56, step: 62, slope: 24, inside: false };
}

function arrow(g, y, way, label, lost) {
    const [from, to] = way === "right" ? [g.left, g.right] : [g.right, g.left];
    const direction = way === "right" ? 1 : -1;
    const reach = lost ? from + (to - from) * 0.62 : to - direction * 3;
    const end = y + g.slope * ((reach - from) / (to - from));
    const tilt = Math.atan2(end - y, Math.abs(reach - from)) * 180 / Math.PI * direction;
    const middle = [(from + to) / 2, y + g.slope / 2 - 9];
    const words = svg("text", { class: "d-mono d-halo", "text-anchor": "middle", x: middle[0], y: middle[1],
        transform: `rotate(${tilt} ${middle[0]} ${middle[1]})` }, label);
    words.style.fontSize = `${Math.min(g.inside ? 16 : 14, (g.right - g.left - 24) / (0.61 * label.length))}px`;
    const group = svg("g");
    group.append(
        svg("line", { class: `d-arrow ${way}${lost ? " d-lost" : ""}`, x1: from, y1: y, x2: reach, y2: end }),
        lost ? text(reach + direction * 10, end + 6, "d-name", "middle", "×")
            : svg("path", { class: `d-head ${way}`, d: "M0 0 L-12 -5.5 L-12 5.5 Z",
                transform: `translate(${reach} ${end}) rotate(${way === "right" ? tilt : 180 + tilt})` }), words);
    return group;
}

// What a side has become: level with its end of the arrow, or below it where there is no room beside.
function state(g, y, side, row) {
    const words = side === "left" ? row.stateLeft : row.stateRight;
    const arrives = row.to === side;
    const level = row.to ? y + (arrives ? g.slope : 0) : y + Number(row.tall ?? g.step) / 2 - 12;
    const x = side === "left" ? g.left : g.right;
    const out = (side === "left") !== g.inside ? -1 : 1;
    return text(x + out * (g.inside ? 12 : 20), level + (g.inside && row.to ? 21 : 5), "d-state d-halo", out < 0 ? "end" : "start", words);
}

function ladder(box, items) {
    const g = ladderShape();
    const rows = items.map((item) => item.dataset);
    const height = g.top + rows.reduce((sum, row) => sum + Number(row.tall ?? g.step), 0) + 26;
    const picture = canvas(g.width, height);
    for (const [x, name, anchor] of [[g.left, box.dataset.left ?? "Client", "start"], [g.right, box.dataset.right ?? "Server", "end"]]) {
        picture.append(text(g.inside ? (anchor === "start" ? 0 : g.width) : x, 24, "d-name", g.inside ? anchor : "middle", name),
            svg("line", { class: "d-life", x1: x, x2: x, y1: 36, y2: height - 8 }));
    }
    let y = g.top;
    for (const row of rows) {
        const tall = Number(row.tall ?? g.step);
        if (row.wait) {
            picture.append(svg("rect", { class: "d-wait", x: g[row.wait] - 9, y: y - 4, width: 18, height: tall - 14, rx: 4 }));
        }
        if (row.to) {
            picture.append(arrow(g, y, row.to, row.label, row.lost !== undefined));
        }
        for (const side of ["left", "right"]) {
            if (row[side === "left" ? "stateLeft" : "stateRight"]) {
                picture.append(state(g, y, side, row));
            }
        }
        y += tall;
    }
    return picture;
}

// ---- lanes: bars along time ----

function lanes(box, items) {
    const g = narrow.matches ? { width: 440, start: 4, row: 62, above: 24 } : { width: 800, start: 150, row: 46, above: 0 };
    const span = Number(box.dataset.span), unit = (g.width - g.start - 10) / span, bottom = 20 + items.length * g.row;
    const picture = canvas(g.width, bottom + 46);
    for (let tick = 0; tick <= span; tick += 1) {
        const x = g.start + tick * unit;
        picture.append(svg("line", { class: "d-life", "stroke-opacity": 0.45, x1: x, x2: x, y1: 14, y2: bottom }),
            text(x, bottom + 20, "d-small", "middle", String(tick)));
    }
    items.forEach((item, i) => {
        const y = 22 + i * g.row + g.above;
        picture.append(g.above ? text(g.start + 4, y - 7, "d-text d-halo", "start", item.dataset.lane)
            : text(g.start - 16, y + 21, "d-text", "end", item.dataset.lane));
        for (const bar of item.dataset.bars.split(";")) {
            const [kind, from, length, ...words] = bar.trim().split(" ");
            const x = g.start + Number(from) * unit;
            picture.append(svg("rect", { class: `d-bar ${kind}`, x: x + 1.5, y, width: Number(length) * unit - 3, height: 30, rx: 4 }),
                text(x + Number(length) * unit / 2, y + 20, "d-label", "middle", words.join(" ")));
        }
    });
    return picture;
}

// ---- decisions: asked from the top, the first yes ends it ----

function decisions(box, items) {
    const g = narrow.matches ? { width: 440, row: 128, asked: 440, x: 200, y: 68 } : { width: 800, row: 84, asked: 440, x: 576, y: 0 };
    const left = narrow.matches ? 0 : 20, down = narrow.matches ? 60 : 240, answer = g.width - g.x - left;
    const picture = canvas(g.width, items.length * g.row - (narrow.matches ? 60 : 16));
    items.forEach((item, i) => {
        const { question, yes, kind = "yes" } = item.dataset;
        const y = i * g.row + 8;
        if (question === undefined) {
            picture.append(svg("rect", { class: `d-box ${kind}`, x: left, y, width: g.asked, height: 50, rx: 8 }),
                text(left + g.asked / 2, y + 31, "d-name", "middle", yes));
            return;
        }
        const tip = narrow.matches ? [320, y + g.y - 1] : [g.x - 3, y + 25];
        const tail = narrow.matches ? [320, y + 50] : [left + g.asked, y + 25];
        picture.append(
            svg("rect", { class: "d-box", x: left, y, width: g.asked, height: 50, rx: 25 }), text(left + g.asked / 2, y + 31, "d-text", "middle", question),
            svg("line", { class: "d-arrow", x1: tail[0], y1: tail[1], x2: tip[0], y2: tip[1] - (narrow.matches ? 6 : 0) }),
            svg("path", { class: "d-head", d: "M0 0 L-12 -5.5 L-12 5.5 Z", transform: `translate(${tip}) rotate(${narrow.matches ? 90 : 0})` }),
            text(narrow.matches ? 334 : 514, narrow.matches ? y + 63 : y + 17, "d-small", narrow.matches ? "start" : "middle", "yes"),
            svg("rect", { class: `d-box ${kind}`, x: g.x, y: y + g.y, width: answer, height: narrow.matches ? 42 : 50, rx: 8 }),
            text(g.x + answer / 2, y + g.y + (narrow.matches ? 27 : 31), "d-text", "middle", yes),
            svg("line", { class: "d-life", x1: down, x2: down, y1: y + 50, y2: y + g.row }),
            text(down + 14, y + (50 + g.row) / 2 + 5, "d-small", "start", "no"));
    });
    return picture;
}

const KINDS = { ladder, lanes, decisions };

function drawAll() {
    for (const box of document.querySelectorAll("[data-draw]")) {
        const list = box.querySelector("ol");
        const picture = KINDS[box.dataset.draw](box, [...list.children]);
        box.querySelector("svg")?.remove();
        list.before(picture);
        list.classList.add("visually-hidden");
        box.classList.add("drawn");
    }
}

drawAll();
narrow.addEventListener("change", drawAll);
