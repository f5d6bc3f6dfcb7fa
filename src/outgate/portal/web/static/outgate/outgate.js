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

  // A button with `data-busy` says so while its form is at work, and the form takes no second submit meanwhile. It is
  // not disabled, since the name and value of a disabled button are left out of what is sent.
  var BUSY_MAX = 60000;  // milliseconds; longer than any answer takes, so that a button is never lost for good
  var atWork = new Map();  // by form: how to put everything back
  var said = document.createElement("div");
  said.className = "visually-hidden";
  said.setAttribute("aria-live", "polite");
  document.body.append(said);  // empty at first: a region that comes with its text is not read out

  function begin(form, button) {
    var label = button.dataset.busy, content = Array.from(button.childNodes), mark = document.createElement("span");
    var buttons = Array.from(form.elements).filter(function (each) { return each.type === "submit"; });
    end(form);
    mark.className = "busy-mark";
    mark.setAttribute("aria-hidden", "true");
    button.style.minWidth = button.offsetWidth + "px";
    button.replaceChildren(mark, label);
    button.setAttribute("aria-busy", "true");
    buttons.forEach(function (each) { each.setAttribute("aria-disabled", "true"); });
    said.textContent = label;
    var timer = window.setTimeout(function () { end(form); }, BUSY_MAX);
    atWork.set(form, function () {
      window.clearTimeout(timer);
      button.replaceChildren.apply(button, content);
      button.style.minWidth = "";
      button.removeAttribute("aria-busy");
      buttons.forEach(function (each) { each.removeAttribute("aria-disabled"); });
      said.textContent = "";
    });
  }

  function end(form) {
    var undo = atWork.get(form);
    atWork.delete(form);
    if (undo) { undo(); }
  }

  function endAll() { Array.from(atWork.keys()).forEach(end); }

  // Before anybody else hears of it, htmx too.
  document.addEventListener("submit", function (event) {
    var button = event.submitter;
    if (atWork.has(event.target) || (button && button.dataset.confirm && !window.confirm(button.dataset.confirm))) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // After everybody else: what somebody has prevented leads to no other page.
  window.addEventListener("submit", function (event) {
    if (event.defaultPrevented) { return; }
    endAll();  // a browser goes to one page only: what another form waited for does not come any more
    if (event.submitter && event.submitter.dataset.busy) { begin(event.target, event.submitter); }
  });

  document.addEventListener("htmx:beforeRequest", function (event) {
    var cause = event.detail.requestConfig.triggeringEvent, button = cause && cause.submitter;
    if (button && button.dataset.busy) { begin(event.detail.elt, button); }
  });
  document.addEventListener("htmx:afterRequest", function (event) { end(event.detail.elt); });  // however it went
  window.addEventListener("pageshow", endAll);  // Back shows the page as it was left
  // Somebody may stop what is waited for; browsers that do not tell have the button back when its time is over.
  if (window.navigation) {
    window.navigation.addEventListener("navigate", function (event) {
      var forms = Array.from(atWork.keys());
      event.signal.addEventListener("abort", function () { forms.forEach(end); });
    });
  }

  document.addEventListener("htmx:afterSwap", function (event) {
    reveal(event.target.parentNode || document);
    Array.from(atWork.keys()).forEach(function (form) { if (!form.isConnected) { end(form); } });
  });
  reveal(document);
  // On a phone the tabs are wider than the window: the one that is open is not left outside.
  document.querySelectorAll(".topnav, .tabs").forEach(function (row) {
    var here = row.querySelector("[aria-current]");
    if (here) { row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2; }
    // Browsers leave what has the focus half outside.
    row.addEventListener("focusin", function (event) {
      event.target.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  });
  // Browsers ignore autofocus where the address names a part of the page, and take the focus away when they go there.
  var wrong = document.querySelector("[aria-invalid=true]");
  if (wrong) {
    window.addEventListener("load", function () { window.setTimeout(function () { wrong.focus(); }, 0); });
  }
})();
