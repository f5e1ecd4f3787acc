// SPDX-License-Identifier: Apache-2.0
// What every page has: the theme's button, copy buttons, and the line that tells how this page reached its reader.

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

function shown() {
    return root.dataset.theme ?? (system.matches ? "dark" : "light");
}

function themeButton() {
    const button = document.querySelector("button.theme");
    const label = button.querySelector("span");
    const tell = () => {
        label.textContent = shown() === "dark" ? "Light" : "Dark";
        button.setAttribute("aria-label", `Switch to the ${label.textContent.toLowerCase()} theme`);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
        root.dataset.theme = shown() === "dark" ? "light" : "dark";
        try {
            localStorage.setItem("theme", root.dataset.theme);
        } catch {
            // Not remembered, but still switched.
        }
        tell();
    });
    system.addEventListener("change", tell);
    tell();
}

function copyButtons() {
    for (const block of document.querySelectorAll("[data-copy]")) {
        if (!navigator.clipboard) {
            return; // only secure contexts have one; localhost is
        }
        const button = document.createElement("button");
        button.type = "button";
        button.className = "copy";
        button.textContent = "Copy";
        button.setAttribute("aria-label", `Copy: ${block.dataset.copy}`);
        button.addEventListener("click", async () => {
            await navigator.clipboard.writeText(block.dataset.copy);
            button.textContent = "Copied";
            setTimeout(() => { button.textContent = "Copy"; }, 1500);
        });
        block.append(button);
    }
}

function ordinal(n) {
    const end = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
    return `${n}${end}`;
}

async function reached() {
    const line = document.querySelector("[data-reached]");
    if (!line) {
        return;
    }
    try {
        const answer = await fetch("/api/about", { cache: "no-store" });
        const about = await answer.json();
        if (!answer.ok || !about.connection) {
            return;
        }
        line.textContent = "";
        const parts = ["You are here over ", `HTTP/${about.http}`, ", on connection ", about.connection, ". Asking for this line was its ",
            ordinal(about.requests_on_connection), " request."];
        parts.forEach((text, i) => {
            const node = document.createElement(i % 2 ? "b" : "span");
            node.textContent = text;
            line.append(node);
        });
        line.hidden = false;
    } catch {
        // These files may be served by something that is not Handfast: then there is nothing to tell.
    }
}

// What scrolls sideways must be reachable by keyboard; what does not should cost no stop.
function scrollers() {
    for (const box of document.querySelectorAll(".scroll, .prose pre:not([tabindex='0']), .prose pre[data-scrolls]")) {
        const scrolls = box.scrollWidth > box.clientWidth;
        box.toggleAttribute("data-scrolls", scrolls);
        if (scrolls) {
            box.tabIndex = 0;
        } else {
            box.removeAttribute("tabindex");
        }
    }
}

// Where the reader is must be in sight in a list of pages that is longer than the window.
function whereWeAre() {
    const list = document.querySelector(".side");
    const here = list?.querySelector("[aria-current]");
    if (here && list.scrollHeight > list.clientHeight) {
        list.scrollTop = here.offsetTop - list.clientHeight / 2;
    }
}

themeButton();
whereWeAre();
scrollers();
addEventListener("resize", scrollers);
copyButtons();
reached();
