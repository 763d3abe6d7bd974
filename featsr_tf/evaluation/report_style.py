"""The look of a report: light and dark, on a desk and on a phone."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --line: #d9dde3;
  --ink: #16181d; --ink-soft: #5a626e; --good: #0b7a3b; --bad: #b3261e;
  --series-0: #6b7280; --series-1: #0b63ce; --series-2: #c2410c;
  --series-3: #0f7b6c; --series-4: #8b3fc7; --series-5: #a16207;
  --series-6: #be185d; --series-7: #4d7c0f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --panel: #1d2026; --line: #353a43;
    --ink: #eceef1; --ink-soft: #a2aab6; --good: #5fd08a; --bad: #ff8a80;
    --series-0: #9aa3b0; --series-1: #6cb2ff; --series-2: #ff9e64;
    --series-3: #4fd1b8; --series-4: #c89bff; --series-5: #e6c34a;
    --series-6: #ff8ab8; --series-7: #a3d65c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 28px 18px 64px; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--ink-soft); margin: 0; }
h2 { font-size: 1.2rem; margin: 44px 0 12px; }
h3 { font-size: 1rem; margin: 22px 0 4px; }
.headline {
  font-size: clamp(1.25rem, 3.2vw, 1.75rem); line-height: 1.3;
  font-weight: 600; margin: 8px 0 4px; text-wrap: balance;
}
.note { color: var(--ink-soft); font-size: .9rem; margin: 4px 0 12px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.tiles, .charts { display: grid; gap: 14px; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
  margin-top: 22px; }
.charts { grid-template-columns:
  repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.charts.stage { grid-template-columns:
  repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.tile, .chart { background: var(--panel); border: 1px solid var(--line);
  border-radius: 10px; padding: 12px 14px; margin: 0; }
.tile .name { color: var(--ink-soft); font-size: .9rem; }
.tile .figure { font-size: 1.6rem; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tile .change { font-size: .95rem; font-weight: 600; margin-left: 6px; }
.bar { height: 6px; border-radius: 3px; background: var(--line);
  margin-top: 6px; overflow: hidden; }
.bar span { display: block; height: 100%; border-radius: 3px; }
.scroll { overflow-x: auto; border: 1px solid var(--line);
  border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: 7px 9px; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--ink-soft); }
th.group { text-align: center; color: var(--ink); }
td small { display: block; color: var(--ink-soft); }
th.group, .first { border-left: 1px solid var(--line); }
tbody tr { border-top: 1px solid var(--line); }
th[scope=row] { text-align: left; color: var(--ink); position: sticky; left: 0;
  background: var(--page); }
td.best { font-weight: 700; }
td.shaded { background: color-mix(in srgb, var(--series-1)
  calc(var(--share) * .6), transparent); }
.matrix { width: auto; }
.matrix thead th { writing-mode: vertical-rl; transform: rotate(180deg);
  text-align: left; padding: 9px 3px; }
.matrix td { text-align: center; min-width: 2.4em; padding: 4px; }
details { margin-top: 22px; }
summary { font-size: 1.2rem; font-weight: 700; cursor: pointer; }
.facts th { width: 1%; color: var(--ink-soft); font-weight: 500; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.chart svg { display: block; width: 100%; height: auto; }
.chart svg text { font-family: inherit; }
.chart figcaption { font-weight: 600; font-size: .95rem; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: .85rem;
  color: var(--ink-soft); }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px;
  vertical-align: middle; margin-right: 5px; }
.picture { margin: 0 0 22px; }
.picture img { width: 100%; height: auto; display: block; border-radius: 8px; }
.picture figcaption { color: var(--ink-soft); font-size: .9rem;
  padding-top: 4px; }
.picture .close { display: none; }
.picture:target { position: fixed; inset: 0; z-index: 2; overflow: auto;
  background: #000; }
.picture:target img { width: auto; max-width: none; border-radius: 0; }
.picture:target .close { display: block; position: fixed; top: 10px;
  right: 14px; padding: 6px 14px; border-radius: 8px; color: #fff;
  background: #000a; text-decoration: none; }
@media (max-width: 600px) {
  main { padding: 18px 12px 48px; }
  th, td { padding: 6px 7px; }
}
"""
