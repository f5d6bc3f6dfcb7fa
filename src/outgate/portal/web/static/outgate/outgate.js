// What pages do beyond what HTML does by itself. Every page works without it, save passkeys and live activation.
(function () {
  "use strict";
  var root = document.documentElement;

  function reveal(scope) {
    scope.querySelectorAll("[data-copy], [data-theme-switch]").forEach(function (button) { button.hidden = false; });
  }

  document.addEventListener("click", function (event) {
    var copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.dataset.copy).then(function () {
        copy.classList.add("copied");
        copy.setAttribute("aria-label", "Copied");
        window.setTimeout(function () { copy.classList.remove("copied"); }, 1500);
      });
    }
    if (event.target.closest("[data-theme-switch]")) {
      var next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
      root.setAttribute("data-bs-theme", next);
      try { window.localStorage.setItem("outgate-theme", next); } catch (error) { /* for this page only, then */ }
    }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) { menu.open = false; }
    });
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  document.addEventListener("submit", function (event) {
    var button = event.submitter;
    if (button && button.dataset.confirm && !window.confirm(button.dataset.confirm)) { event.preventDefault(); }
  });

  document.addEventListener("htmx:afterSwap", function (event) { reveal(event.target.parentNode || document); });
  reveal(document);
  // Browsers ignore autofocus where the address names a part of the page, and take the focus away when they go there.
  var wrong = document.querySelector("[aria-invalid=true]");
  if (wrong) {
    window.addEventListener("load", function () { window.setTimeout(function () { wrong.focus(); }, 0); });
  }
})();
