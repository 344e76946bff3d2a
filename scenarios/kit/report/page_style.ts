/** The colours, in light and in dark. Each colour of text has a contrast of at least 4.5 (WCAG, AA). */
const LIGHT = {
  ...{ page: "#ffffff", text: "#1f2328", dim: "#59636e", line: "#c4ccd4", box: "#f6f8fa" },
  ...{ held: "#116329", bad: "#b42318", open: "#7a4d00", link: "#0550ae", mark: "#fff1c2" },
};
const DARK: typeof LIGHT = {
  ...{ page: "#0d1117", text: "#e6edf3", dim: "#9198a1", line: "#3d444d", box: "#161b22" },
  ...{ held: "#56d364", bad: "#ff8f85", open: "#e3b341", link: "#79b8ff", mark: "#4a3a00" },
};

const variables = (colours: typeof LIGHT) =>
  Object.entries(colours).map(([name, value]) => `--${name}: ${value};`).join(" ");

/** The style of the report's page. */
export const STYLE = `
:root { color-scheme: light dark; ${variables(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 90rem; padding: 0 1.5rem 4rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif }
code, pre { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
a { color: var(--link) }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
.skip { position: absolute; left: -100vw }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--page) }
h1 { margin: 1.5rem 0 .25rem; font-size: 1.8rem; line-height: 1.2 }
h2 { margin: 0 0 .25rem; font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere }
h3 { margin: 1.5rem 0 .5rem; font-size: 1.1rem }
section { margin-top: 3rem; padding-top: 1.5rem; border-top: 1px solid var(--line) }
section, [id] { scroll-margin-top: 1rem }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .5rem 0; padding: 0;
  list-style: none }
button { padding: .35rem .9rem; border: 1px solid var(--line); border-radius: 6px; font: inherit;
  background: var(--box); color: var(--text); cursor: pointer }
p { margin: .4rem 0 }
.dim, .time { color: var(--dim) }
.time { font-size: .85rem; white-space: nowrap }
.held { color: var(--held) }
.bad { color: var(--bad) }
.open { color: var(--open) }
.outcome { font-weight: 600; white-space: nowrap }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse }
caption { padding: .25rem 0; text-align: left; font-weight: 600 }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top }
tbody th { font-weight: 600; white-space: nowrap }
tr:target { background: var(--mark) }
.tour { padding-left: 2rem }
.tour > li { margin: 1rem 0 }
.step { margin: 0 }
.step code { font-weight: 600; overflow-wrap: anywhere }
.note { padding-left: .75rem; border-left: 3px solid var(--line) }
details { margin: .35rem 0; border: 1px solid var(--line); border-radius: 6px }
summary { padding: .35rem .75rem; cursor: pointer }
.inside { padding: 0 .75rem .5rem 1.5rem }
.inside ul { margin: 0; padding-left: 1rem }
pre { margin: .35rem 0 .75rem; padding: .5rem .75rem; border-radius: 6px; background: var(--box);
  white-space: pre-wrap; overflow-wrap: anywhere }
figure { margin: .5rem 0 }
figure img { display: block; width: 100%; min-width: 44rem; max-width: 70rem; height: auto;
  border: 1px solid var(--line); border-radius: 6px }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr));
  gap: 1rem 2rem }
.matrix th, .matrix td { padding: .15rem .4rem; font-size: .8rem; border: 1px solid var(--line) }
.matrix thead th { vertical-align: bottom; font-weight: 400 }
.matrix thead span { display: inline-block; writing-mode: vertical-rl; white-space: nowrap }
.matrix td { text-align: center }
.matrix .differs { background: var(--mark); outline: 2px solid var(--bad); font-weight: 700 }
@media (max-width: 40rem) {
  body { padding: 0 .75rem 3rem }
  .tour { padding-left: 1.25rem }
  .statements thead { position: absolute; left: -200vw }
  .statements, .statements tbody, .statements tr { display: block }
  .statements th, .statements td { display: inline-block; padding: .15rem .5rem .15rem 0; border: 0 }
  .statements td.sentence { display: block }
  .statements tr { padding: .4rem 0; border-bottom: 1px solid var(--line) }
}
@media print {
  :root { color-scheme: light; ${variables(LIGHT)} }
  body { max-width: none; padding: 0; font-size: 10pt }
  nav, button, .skip { display: none }
  details::details-content { content-visibility: visible; block-size: auto }
  tr, figure, .step { break-inside: avoid }
  h2, h3, summary { break-after: avoid }
  .scroll { overflow: visible }
  figure img { min-width: 0 }
  .matrix th, .matrix td { padding: .05rem .2rem; font-size: .6rem }
}
`;

/** The script of the page, which reads without it: it opens and closes all evidence. */
export const SCRIPT = `
const all = document.querySelectorAll("details");
const button = document.getElementById("unfold");
let open = false;
button.hidden = false;
button.addEventListener("click", () => {
  open = !open;
  for (const each of all) each.open = open;
  button.textContent = open ? "Fold all evidence" : "Unfold all evidence";
});
addEventListener("beforeprint", () => { for (const each of all) each.open = true; });
`;
