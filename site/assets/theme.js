// SPDX-License-Identifier: Apache-2.0
// Runs before the first paint, so that a remembered choice of theme does not flash.
(function () {
    try {
        var choice = localStorage.getItem("theme");
        if (choice === "light" || choice === "dark") {
            document.documentElement.dataset.theme = choice;
        }
    } catch (refused) {
        // Storage may be switched off: then the system's preference holds.
    }
})();
