/**
 * What a browser is shown at the door: that it is let in, or why not and what to do. Each stands alone, since whoever is not let in is given no file, and its policy has the
 * hashes of its own style and script.
 */
import { createHash } from "node:crypto"

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

/** As the page's own tokens have it. */
const style = `:root{color-scheme:light dark}` +
  `body{margin:0;min-height:100dvh;display:grid;place-content:center;justify-items:center;text-align:center;gap:12px;padding:32px;box-sizing:border-box;` +
  `background:light-dark(#fafaf9,#121316);color:light-dark(#1b1b1a,#eceef1);` +
  `font:400 14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif}` +
  `svg{color:light-dark(#3451c6,#93a7ff)}h1{margin:0;font-size:16px;font-weight:600;max-width:44ch;text-wrap:balance}` +
  `p{margin:0;max-width:52ch;color:light-dark(#5f5e5a,#a3a8b0);text-wrap:pretty}a{color:light-dark(#3451c6,#93a7ff)}` +
  `code{white-space:nowrap;background:light-dark(#f3f3f1,#202328);padding:2px 6px;border-radius:4px;` +
  `font:400 13px/1.55 ui-monospace,"SF Mono",SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}`

const mark = `<svg width=28 height=28 viewBox="0 0 20 20" aria-hidden=true>` +
  `<path d="M4.5 5.5 15.5 5 10.5 15.5z" fill=none stroke=currentColor stroke-width=1.6 opacity=.55 />` +
  `<circle cx=4.5 cy=5.5 r=3.2 fill=currentColor /><circle cx=15.5 cy=5 r=2.4 fill=currentColor />` +
  `<circle cx=10.5 cy=15.5 r=2.6 fill=currentColor /></svg>`

/** What is behind the `#` says what of the console is looked at. It is not sent, so that the browser takes it along. */
const script = `location.replace("/"+location.hash)`

/** A page of the door, and its policy. */
export interface DoorPage {
  readonly html: string
  readonly policy: string
}

const pageOf = (title: string, body: string, head = "", scripts = ""): DoorPage => ({
  html:
    `<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">` +
    `<meta name=robots content=noindex><title>${title} · pnet console</title><style>${style}</style>${head}` +
    `<body>${mark}${body}\n`,
  policy: [
    "default-src 'none'",
    ...(scripts === "" ? [] : [`script-src ${hashOf(scripts)}`]),
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; ")
})

const said = (text: string): string => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)

/** Says what happened, and what to do, where commands stand in backticks. */
export const notice = (what: string, remedy: string): DoorPage =>
  pageOf(said(what), `<h1>${said(what)}</h1><p>${said(remedy).replace(/`([^`]+)`/g, "<code>$1</code>")}</p>`)

/**
 * What leads to the page. It is a page itself: a browser that has come from elsewhere, as from a file or a chat, would send the cookie along with no redirect, since that goes
 * on with what another site began.
 */
export const entrance: DoorPage = pageOf(
  "You are let in",
  `<h1>You are let in</h1><p><a href="/">To the console</a></p>`,
  `<script>${script}</script><noscript><meta http-equiv=refresh content="0;url=/"></noscript>`,
  script
)
