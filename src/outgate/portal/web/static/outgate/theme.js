// Dark or light, before anything is drawn: what the person chose, else what the system prefers.
(function () {
  "use strict";
  var prefers = window.matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    try { return window.localStorage.getItem("outgate-theme"); } catch (error) { return null; }
  }
  function apply() {
    document.documentElement.setAttribute("data-bs-theme", chosen() || (prefers.matches ? "dark" : "light"));
  }
  apply();
  prefers.addEventListener("change", apply);
})();
