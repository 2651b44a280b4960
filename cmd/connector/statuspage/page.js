"use strict";
// Fetches the page again and puts in what changed; what is open or focused stays.
(function () {
  var every = 5000;
  function put(fresh) {
    document.title = fresh.title;
    document.querySelectorAll("[data-live]").forEach(function (old) {
      var now = fresh.getElementById(old.id);
      if (!now) return;
      old.querySelectorAll("details[open]").forEach(function (d) {
        var same = now.querySelector("details#" + d.id);
        if (same) same.open = true;
      });
      if (old.className !== now.className) old.className = now.className;
      if (old.innerHTML === now.innerHTML) return;
      var focused = old.contains(document.activeElement) && document.activeElement;
      var place = focused && Array.prototype.indexOf.call(old.querySelectorAll("summary, [tabindex]"), focused);
      old.innerHTML = now.innerHTML;
      if (focused && place >= 0) {
        var again = old.querySelectorAll("summary, [tabindex]")[place];
        if (again) again.focus({ preventScroll: true });
      }
    });
  }
  function again() {
    fetch(location.pathname, { cache: "no-store" }).then(function (r) {
      if (!r.ok) throw new Error(r.status);
      return r.text();
    }).then(function (text) {
      put(new DOMParser().parseFromString(text, "text/html"));
      document.getElementById("stale").hidden = true;
    }).catch(function () {
      document.getElementById("stale").hidden = false;
    }).then(function () {
      setTimeout(again, every);
    });
  }
  setTimeout(again, every);
})();
