// Looks at the status page as people do. Arguments: the page's address, a file that
// this test creates when it wants the lane to be mended, and where to put a
// screenshot ("" for none).
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT_CORE);
const [address, mend, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-background-networking"] });
let failed = 0;
function check(what, ok, got) {
  if (!ok) {
    failed++;
    console.log(`FAIL ${what}: ${JSON.stringify(got)}`);
  }
}

// Colours as the browser computes them, and their contrast as WCAG has it.
const contrasts = () => {
  const channels = (c) => c.match(/[\d.]+/g).map(Number);
  const luminance = (c) => {
    const [r, g, b] = channels(c).map((v) => ((v /= 255), v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor, n = channels(c);
      if (n.length < 4 || n[3] > 0) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || e.closest("script, style, noscript, [hidden]")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [luminance(e.closest("svg") ? style.fill : style.color), luminance(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  for (const e of document.querySelectorAll(".key")) {
    const [a, b] = [luminance(getComputedStyle(e).backgroundColor), luminance(ground(e.parentElement))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 3) poor.push(`${e.className} ${ratio.toFixed(2)}`);
  }
  return poor;
};

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1100, 320]) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    const said = [];
    page.on("console", (m) => said.push(m.text()));
    page.on("pageerror", (e) => said.push(String(e)));
    const requests = [];
    page.on("request", (r) => requests.push(r.url()));
    await page.goto(address);
    const poor = await page.evaluate(contrasts);
    const where = `${colorScheme}, ${width} wide`;
    check(`contrast, ${where}`, poor.length === 0, poor);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(`nothing beside the screen, ${where}`, wide <= 0, wide);
    check(`the browser is silent, ${where}`, said.length === 0, said);
    check(`nothing from elsewhere, ${where}`, requests.every((r) => r.startsWith(address) || r.endsWith("/favicon.ico")), requests);
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    check(`the ground, ${where}`, (dark === "rgb(13, 17, 23)") === (colorScheme === "dark"), dark);
    await page.close();
  }
}

// Without JavaScript everything is there, and the page asks to be loaded again.
const plain = await browser.newPage({ javaScriptEnabled: false });
await plain.goto(address);
check("headline without JavaScript", (await plain.locator("#headline").textContent()).includes("1 lane is halted"), await plain.locator("#headline").textContent());
check("reload without JavaScript", (await plain.locator('noscript meta[http-equiv="refresh"]').count()) === 1, "");
await plain.close();

const page = await browser.newPage({ viewport: { width: 1100, height: 1000 } });
await page.goto(address);
const lane = page.locator("article.lane.halted");
check("the halted lane", (await lane.count()) === 1, await lane.count());
const words = (await lane.allTextContents()).join(" ");
check("why, and what to do", words.includes("Why:") && words.includes("To do:") && words.includes("connector checkpoint resolve"), words);
check("a title that tabs show", (await page.title()).startsWith("1 lane is halted"), await page.title());
check("the chart speaks", (await page.getByRole("img").getAttribute("aria-label")).startsWith("Events per minute"), "");
check("headings in order", JSON.stringify(await page.locator("h1,h2,h3").evaluateAll((l) => l.map((e) => e.tagName).filter((t, i, a) => t !== a[i - 1]))) === JSON.stringify(["H1", "H2", "H3", "H2"]), "");
for (const [role, name] of [["banner"], ["main"], ["contentinfo"], ["status"], ["region", "Lanes"], ["region", "Events per minute"]]) {
  check(`a landmark ${role} ${name ?? ""}`, (await page.getByRole(role, name ? { name } : {}).count()) >= 1, "");
}
if (screenshot) await page.screenshot({ path: screenshot });

// By keyboard alone: the skip link, then the table that opens.
await page.keyboard.press("Tab");
check("the skip link comes first", (await page.evaluate(() => document.activeElement.textContent)) === "Skip to the lanes", "");
await page.keyboard.press("Tab");
check("then the table", (await page.evaluate(() => document.activeElement.tagName)) === "SUMMARY", await page.evaluate(() => document.activeElement.outerHTML));
await page.keyboard.press("Enter");
check("it opens", await page.locator("#numbers").evaluate((e) => e.open), "");

// The lane is mended, and the page says so by itself, without losing the place.
const before = await page.locator("#asof").textContent();
writeFileSync(mend, "");
await page.locator("#headline", { hasText: "All lanes follow" }).waitFor({ timeout: 60000 });
check("time moves on", (await page.locator("#asof").textContent()) !== before, before);
check("no halted lane is left", (await lane.count()) === 0, "");
check("the table stays open", await page.locator("#numbers").evaluate((e) => e.open), "");
check("the focus stays", (await page.evaluate(() => document.activeElement.tagName)) === "SUMMARY", "");
check("not stale", await page.locator("#stale").isHidden(), "");
await page.route("**/*", (r) => r.abort());
await page.locator("#stale").waitFor({ state: "visible", timeout: 60000 });
await browser.close();
process.exit(failed ? 1 : 0);
