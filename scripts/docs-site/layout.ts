/** The frame around a page: one file, no script, light and dark, readable on a narrow screen and without styles. */

export interface PageFrame {
  readonly title: string
  readonly html: string
  /** Of the first page. */
  readonly home: string
  readonly links: readonly {
    readonly title: string
    readonly pages: readonly { readonly title: string; readonly href: string; readonly here: boolean }[]
  }[]
}

const STYLE = `
:root{color-scheme:light dark;--edge:#8884;--soft:#8881;--link:light-dark(#0b57d0,#8ab4f8)}
*{box-sizing:border-box}body{margin:0;font:16px/1.6 system-ui,sans-serif;display:grid;grid-template-columns:17rem minmax(0,1fr)}
.name{font-weight:700;font-size:1.15rem}.name a{padding:0 .4rem}.top{display:none}
nav{padding:1.5rem 1rem;border-right:1px solid var(--edge);height:100vh;overflow:auto;position:sticky;top:0;font-size:.9rem}
nav h2{font-size:.8rem;text-transform:uppercase;letter-spacing:.05em;margin:1.2rem 0 .3rem}nav ul{list-style:none;margin:0;padding:0}
nav a{display:block;padding:.15rem .4rem;border-radius:.3rem;color:inherit;text-decoration:none}nav a:hover{background:var(--soft)}
nav a[aria-current]{background:var(--soft);font-weight:600;color:var(--link)}
main{max-width:60rem;padding:1rem 2.5rem 6rem;grid-area:1/2}nav{grid-area:1/1}a{color:var(--link)}
h1,h2,h3{line-height:1.25;scroll-margin-top:1rem}h2{margin-top:2.2em}h3{margin-top:1.8em}pre{overflow:auto;padding:1rem;background:var(--soft);border:1px solid var(--edge);border-radius:.4rem}
code{font:.88em ui-monospace,monospace}pre i{font-style:normal;opacity:.6}td code{white-space:nowrap}table{display:block;overflow:auto;border-collapse:collapse}
th,td{border:1px solid var(--edge);padding:.35rem .6rem;text-align:left;vertical-align:top}thead:not(:has(th:not(:empty))){display:none}
img{max-width:100%}.file{font-family:ui-monospace,monospace;font-size:.9em}
@media(max-width:50rem){body{display:block}nav{position:static;height:auto;border:0;border-top:1px solid var(--edge)}main{padding:0 1rem 3rem}
.top{display:flex;justify-content:space-between;padding:.8rem 1rem;border-bottom:1px solid var(--edge)}td code{white-space:normal}}`

export function layout({ title, html, home, links }: PageFrame): string {
  const navigation = links
    .map(({ title: section, pages }) => {
      const items = pages.map(
        ({ title: page, href, here }) =>
          `<li><a href="${href}"${here ? ' aria-current="page"' : ''}>${escaped(page)}</a></li>`,
      )
      return `<h2>${escaped(section)}</h2><ul>${items.join('')}</ul>`
    })
    .join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)} · Spindle</title>
<style>${STYLE}</style>
</head>
<body>
<div class="top"><b>Spindle</b><a href="#pages">All pages</a></div>
<main>
${html}</main>
<nav id="pages" aria-label="Pages"><div class="name"><a href="${home}">Spindle</a></div>${navigation}</nav>
</body>
</html>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('`', '')
}
