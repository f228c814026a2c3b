// A report as one page that needs nothing else: text and tables as HTML, figures drawn by the script inside it from the data inside it.

import type { Figure, Report, Section, Table } from "./report.js";

/**
 * The page.
 *
 * @param script the code that draws the figures: assets/report.js
 */
export function reportPage(report: Report, script: string): string {
  // Nothing in the data can end the element that it stands in.
  const data = JSON.stringify(report).replaceAll("<", "\\u003c");
  const code = script.replaceAll("</script", "<\\/script");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>${escaped(report.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(report.title)}</h1>
${report.lines.map((line) => `<p>${escaped(line)}</p>`).join("\n")}
</header>
<nav><ul>${report.sections.map(({ id, title }) => `<li><a href="#${escaped(id)}">${escaped(title)}</a></li>`).join("")}</ul></nav>
<main>
${report.sections.map(section).join("\n")}
</main>
<noscript><p>The figures are drawn by the script in this page. The tables have the same numbers.</p></noscript>
<script type="application/json" id="report">${data}</script>
<script type="module">${code}</script>
</body>
</html>
`;
}

function section({ id, title, text, figures, tables }: Section): string {
  return `<section id="${escaped(id)}">
<h2>${escaped(title)}</h2>
${text.map((paragraph) => `<p>${escaped(paragraph)}</p>`).join("\n")}
<div class="figures">${figures.map(figure).join("\n")}</div>
${tables.map(table).join("\n")}
</section>`;
}

function figure({ id, caption, wide }: Figure): string {
  return `<figure${wide === true ? ' class="wide"' : ""}><figcaption>${escaped(caption)}</figcaption><div class="chart" id="${escaped(id)}"></div></figure>`;
}

function table({ columns, rows }: Table): string {
  const cell = (tag: string, text: string, column: number) =>
    `<${tag}${columns[column]?.numeric === true ? ' class="number"' : ""}>${escaped(text)}</${tag}>`;
  const head = columns.map(({ name }, i) => cell("th", name, i)).join("");
  const body = rows.map((row) => `<tr>${row.map((text, i) => cell("td", text, i)).join("")}</tr>`).join("\n");
  return `<div class="table"><table><thead><tr>${head}</tr></thead><tbody>
${body}
</tbody></table></div>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

// The colours are Paul Tol's and Okabe and Ito's, made lighter on dark paper; a reader who cannot tell red from green can tell them apart.
const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --muted: #57606a; --axis: #8c959f; --line: #d0d7de; --shade: #f6f8fa; --link: #0969da;
  --colour-0: #0072b2; --colour-1: #d55e00; --colour-2: #009e73; --colour-3: #aa3377;
  --colour-4: #b8860b; --colour-5: #56a4d8; --colour-6: #6f4a8e; --colour-7: #7f7f7f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0d1117; --ink: #e6edf3; --muted: #9198a1; --axis: #6e7681; --line: #30363d; --shade: #161b22; --link: #58a6ff;
    --colour-0: #58a6ff; --colour-1: #ff8c42; --colour-2: #2dc690; --colour-3: #e36fb5;
    --colour-4: #e3b341; --colour-5: #a5d6ff; --colour-6: #b48ee0; --colour-7: #a0a7b0;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 16px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.3em 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2em 0 0.4em; padding-top: 0.6em; border-top: 1px solid var(--line); }
header p { margin: 0.1em 0; color: var(--muted); overflow-wrap: anywhere; }
section > p { max-width: 75ch; margin: 0.4em 0; overflow-wrap: anywhere; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2em 1.1em; padding: 0; list-style: none; }
a { color: var(--link); }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px 28px; margin: 14px 0; }
.figures:empty { display: none; }
figure { margin: 0; }
.wide { grid-column: 1 / -1; }
.chart figure { max-width: none !important; }
.chart [class^="plot-"] { font-size: 12px; }
figcaption { font-weight: 600; margin-bottom: 4px; }
.chart { min-height: 60px; }
.chart svg text { font-variant-numeric: tabular-nums; }
.table { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { background: var(--shade); }
td:last-child:not(.number) { white-space: normal; min-width: 24ch; }
.number { text-align: right; }
@media (max-width: 860px) { .figures { grid-template-columns: minmax(0, 1fr); } }
@media print {
  :root { --paper: #ffffff; --ink: #000000; --muted: #444444; --axis: #666666; --line: #bbbbbb; --shade: #eeeeee; --link: #000000;
    --colour-0: #0072b2; --colour-1: #d55e00; --colour-2: #009e73; --colour-3: #aa3377;
    --colour-4: #b8860b; --colour-5: #56a4d8; --colour-6: #6f4a8e; --colour-7: #7f7f7f; color-scheme: light; }
  body { max-width: none; font-size: 10pt; padding: 0; }
  nav { display: none; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .table { overflow: visible; }
  th, td, td:last-child:not(.number) { white-space: normal; min-width: 0; padding: 2px 5px; font-size: 8pt; }
  .chart svg { max-width: 100%; height: auto; }
}
`;
