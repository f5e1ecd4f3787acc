# SPDX-License-Identifier: Apache-2.0
"""Web policy in a real browser: what headless Chromium sends of forms, cookies, scripts, sockets and streams, and what a site lets through."""
import functools
from browser import Browser
from e2e import *
from policy import Site, in_one


class Chromium(Browser):
    def js(self, body):
        return self.run(f"(async () => {{ {body} }})()")


shared = contextlib.ExitStack()


@functools.cache
def site():
    return shared.enter_context(Site(shared.enter_context(tempfile.TemporaryDirectory())))


@functools.cache
def browser():
    needs_program("chromium")
    b = shared.enter_context(Chromium())
    b("Security.setIgnoreCertificateErrors", ignore=True)
    return b


with shared:
    main(in_one(browser, site))
