// SPDX-License-Identifier: Apache-2.0
// handfast.js: a WebSocket that comes back, and goes on where it was. No dependencies.
//
//     import { live } from "/assets/handfast.js";
//     const board = live("/live/board/lobby", {
//         message: (m) => show(m.data, m.event),    // {id, topic, event, data} of a topic, else {data}
//         gap: () => reload(),                      // something was missed that the server does not know any more
//         state: (state, detail) => tell(state),    // "open", "waiting" (detail: seconds), "closed"
//     });
//     board.send("hello");                          // kept until the line is open
//     board.close();
//
// What comes from the server counts as a sign of life; when there is none for `quiet` milliseconds it is asked for one by
// closing the line and coming back. A browser cannot ping, and Handfast pings it every 25 s, which no script sees: so this
// is off unless the application speaks more often than that.

export const wait = (failures, random = Math.random) => Math.min(30000, 500 * 2 ** failures) * (0.5 + random() / 2);

export function live(path, { message, gap, state, quiet = 0, most = 100, protocols = [], source = false } = {}) {
    const say = (...what) => state?.(...what);
    let line, failures = 0, timer, watch, last = "", resumes = false, over = false;
    const unsent = [];
    const alive = () => {
        clearTimeout(watch);
        if (quiet)
            watch = setTimeout(() => { line.close(); lost(line); }, quiet);
    };
    const heard = (text) => {
        alive();
        let m;
        try {
            m = JSON.parse(text);
        } catch {
            // not one of ours
        }
        if (typeof m?.id !== "string" || !/^[0-9a-f]+-[0-9]+$/.test(m.id) || (!resumes && "data" in m))
            return message?.({ data: text });
        resumes = true;
        last = m.id;
        if (m.gap)
            gap?.(m);
        else if ("data" in m)
            message?.(m);
    };
    const lost = (which) => {
        if (which !== line || over)
            return;
        clearTimeout(watch);
        line = undefined;
        const ms = wait(failures++);
        say("waiting", ms / 1000);
        timer = setTimeout(open, ms);
    };
    const opened = () => {
        failures = 0;
        alive();
        say("open");
        while (unsent.length && line.readyState === 1)
            line.send(unsent.shift());
    };
    const socket = (url) => {
        const s = new WebSocket(url, protocols);
        s.onopen = opened;
        s.onmessage = (e) => { heard(e.data); };
        s.onclose = (e) => {
            if (e.code === 1000 || e.code === 1008)
                finish(e.reason);
            else
                lost(s);
        };
        return s;
    };
    // An EventSource comes back by itself, and says what it saw; but not after an answer that it dislikes.
    const stream = (url) => {
        const s = new EventSource(url);
        s.onopen = opened;
        s.onmessage = (e) => { alive(); message?.({ id: e.lastEventId, data: e.data }); };
        for (const name of [].concat(source === true ? [] : source))
            s.addEventListener(name, (e) => { alive(); message?.({ id: e.lastEventId, event: name, data: e.data }); });
        s.addEventListener("gap", (e) => { gap?.({ id: e.lastEventId }); });
        s.onerror = () => {
            if (s.readyState === 2)
                lost(s);
            else
                say("waiting", 3);
        };
        return s;
    };
    const open = () => {
        const url = new URL(path, location.href);
        if (resumes)
            url.searchParams.set("resume", last);
        if (!source)
            url.protocol = url.protocol.replace("http", "ws");
        line = source ? stream(url) : socket(url);
    };
    const finish = (why) => {
        over = true;
        clearTimeout(timer);
        clearTimeout(watch);
        say("closed", why);
    };
    open();
    return {
        send(text) {
            if (line?.readyState === 1)
                line.send(text);
            else if (unsent.push(text) > most)
                unsent.shift();
        },
        // As if the line had broken: for trying it.
        cut() {
            line?.close(...(source ? [] : [4000, "cut"]));
            if (line)
                lost(line);
        },
        close() {
            const s = line;
            finish("");
            s?.close(...(source ? [] : [1000]));
        },
    };
}
