"""What a browser says against a page: no test of ours lets it pass, whatever else the test looks at."""

from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Response

# Answers that are the pages themselves, or parts of them: they may well say that somebody made a mistake (4xx).
PAGES: Final = ("document", "xhr", "fetch")
TELLS_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`violates ${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`));
"""


class Watch:
    """Follows every context of a browser. complaints: errors in the console, scripts that failed, violations of the
    content security policy, files that are missing, and answers of a server in trouble."""

    def __init__(self, browser: Browser) -> None:
        self.complaints: list[str] = []
        make: Callable[..., BrowserContext] = browser.new_context

        def made(**options: Any) -> BrowserContext:
            context = make(**options)
            self._follow(context)
            return context

        browser.new_context = made  # type: ignore[method-assign]

    def _follow(self, context: BrowserContext) -> None:
        context.add_init_script(TELLS_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", lambda each: self.complaints.append(f"{each.page and each.page.url}: {each.error}"))
        context.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        is_status = message.text.startswith("Failed to load resource: the server responded with a status")
        if message.type == "error" and not is_status:  # statuses are judged by what they are of
            self.complaints.append(f"{message.page and message.page.url}: {message.text}")

    def _on_response(self, response: Response) -> None:
        is_page = response.request.resource_type in PAGES
        if response.status >= (500 if is_page else 400):
            self.complaints.append(f"{response.status} {response.url}")
