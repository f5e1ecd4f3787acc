// SPDX-License-Identifier: Apache-2.0
// Asks the server and shows what was said: the request line as it was sent, the status and the fields as they came back.

// The answer, or why there is none. `wire` is the protocol that the browser reports for this very request.
export async function call(method, path, options = {}) {
    const began = performance.now();
    const shown = path.length > 90 ? `${path.slice(0, 60)}… (${path.length.toLocaleString("en")} bytes)` : path;
    const said = { method, path: shown, sent: options.headers ?? {}, content: options.body };
    try {
        const response = await fetch(path, { method, cache: "no-store", ...options });
        const body = await response.text();
        return { ...said, ok: response.ok, status: response.status, phrase: response.statusText, fields: [...response.headers],
            type: response.headers.get("content-type") ?? "", body, ms: performance.now() - began };
    } catch (error) {
        return { ...said, ok: false, status: 0, phrase: "", fields: [], type: "", body: "", error: error.message };
    }
}

export function json(answer) {
    try {
        return answer.ok ? JSON.parse(answer.body) : null;
    } catch {
        return null;
    }
}

function span(className, text) {
    const node = document.createElement("span");
    node.className = className;
    node.textContent = text;
    return node;
}

// Writes one exchange into a <pre class="transcript">.
export function transcript(pre, answer) {
    const request = document.createElement("b");
    request.textContent = `${answer.method} ${answer.path} HTTP/1.1\n`;
    pre.textContent = "";
    pre.append(request);
    for (const [name, value] of Object.entries(answer.sent)) {
        pre.append(`${name}: ${value}\n`);
    }
    pre.append(span("quiet", "(and what your browser adds: Host, User-Agent, Accept …)\n"));
    if (answer.content) {
        pre.append("\n", answer.content, "\n");
    }
    pre.append("\n");
    if (answer.error) {
        pre.append(span("refused", `No answer: ${answer.error}`));
        return;
    }
    pre.append(span(answer.status < 400 ? "" : "refused", `${answer.status} ${answer.phrase}\n`));
    for (const [name, value] of answer.fields) {
        pre.append(`${name}: ${value}\n`);
    }
    const page = answer.type.includes("html");
    pre.append("\n", answer.body && !page ? answer.body : span("quiet", page ? "(a page)" : "(no body)"));
}

// Runs `work` with the button held, so that a live part shows one thing at a time. Focus stays where it was.
export function onClick(button, work) {
    button.addEventListener("click", async (event) => {
        event.preventDefault();
        if (button.getAttribute("aria-busy") === "true") {
            return;
        }
        button.setAttribute("aria-busy", "true");
        try {
            await work(event);
        } finally {
            button.removeAttribute("aria-busy");
        }
    });
}

// Live parts are hidden until a server that has the tour's API is seen to be there.
export async function whenLive() {
    const answer = await call("GET", "/api/about");
    const about = json(answer);
    const live = about !== null && typeof about.http === "string";
    for (const part of document.querySelectorAll("[data-live]")) {
        part.hidden = !live;
    }
    for (const note of document.querySelectorAll("[data-offline]")) {
        note.hidden = live;
        note.textContent = "The live parts need Handfast to serve this page (make serve). What answers here has no /api/about, so they are left out.";
    }
    return live ? about : null;
}
