/**
 * Who is let in. The console listens on this machine alone, and that is not enough: any page in any browser here may send it requests, under any name that
 * its own server has given to 127.0.0.1, and so may every other user of the machine. So a request has to name this host, come from this origin where it
 * says one, and have the cookie that a link from the terminal gave once, or the key that assistants are given.
 */
import * as Duration from "effect/Duration"
import { createHmac, timingSafeEqual } from "node:crypto"

/** What the door looks at of a request. */
export interface Request {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** What becomes of a request. */
export type Verdict =
  /** It goes on. */
  | { readonly _tag: "Pass" }
  /** It had a link's token: it gets the cookie, and what leads to the page. */
  | { readonly _tag: "Enter"; readonly cookie: string }
  /** It does not go on. The texts say why, and what to do, for the person who reads them. */
  | { readonly _tag: "Refuse"; readonly why: string; readonly remedy: string }

const pass: Verdict = { _tag: "Pass" }

const refuse = (why: string, remedy: string): Verdict => ({ _tag: "Refuse", why, remedy })

const refused = {
  host: refuse(
    "The console is reached as 127.0.0.1 alone, and this request names another host",
    "Open the link as it was printed. To come from another machine, forward the port: `ssh -L 7670:127.0.0.1:7670 HOST`."
  ),
  origin: refuse(
    "The console answers its own page alone, and this request comes from another one",
    "Open its address yourself, in a tab of its own."
  ),
  address: refuse("The console does not understand this address", "Open the link as it was printed."),
  used: refuse(
    "This link was used already",
    "Each link of the console lets one browser in, once. Run `pnet console` again for a new one, or go on in the browser that opened this one."
  ),
  old: refuse(
    "This link is too old",
    "A link of the console is good for twelve hours. Run `pnet console` again for a new one."
  ),
  other: refuse(
    "This link is of another start of the console",
    "It may be of a console that has ended since. Run `pnet console` again for a new one."
  ),
  stranger: refuse(
    "The console lets in who has opened its link",
    "Run `pnet console`, and open the link that it prints. A browser that was let in stays so for a week."
  )
}

// Links that were printed and not used yet, and those that were: the oldest is as good as lost.
const mostLinks = 16
const linkFor = Duration.toMillis(Duration.hours(12))
/** How long a browser that was let in stays so. */
export const cookieFor = Duration.toMillis(Duration.days(7))

const localName = /^(?:127\.0\.0\.1|localhost)(?::(\d{1,5}))?$/i
const mostPort = 65_535

/** Whether a host is this one, at whatever port: it may be forwarded. */
const isLocal = (host: string): boolean => {
  const found = localName.exec(host)
  return found !== null && Number(found[1] ?? 1) >= 1 && Number(found[1] ?? 1) <= mostPort
}

const same = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Characters of a path and a query. */
const mostUrl = 2_048

/** The path of the tools of assistants, which have no cookies. */
export const mcpPath = "/mcp"

export class Door {
  readonly #secret: Uint8Array
  readonly #random: () => string
  readonly #port: number
  /** The tokens of links, and when each was made. */
  readonly #links = new Map<string, number>()
  /** Tokens that were used, so that whoever opens one again is told. */
  readonly #used = new Set<string>()
  /** The cookie's name: cookies do not tell ports apart, and there may be a console at each. */
  readonly cookieName: string
  /** The key that an assistant says to reach `/mcp`. */
  readonly assistantKey: string

  /** `secret` proves cookies: where it is the same at the next start, browsers that were let in still are. `random` gives a text that nobody guesses. */
  constructor(secret: Uint8Array, port: number, random: () => string) {
    this.#secret = secret
    this.#port = port
    this.#random = random
    this.cookieName = `pnet-console-${port}`
    this.assistantKey = this.#proof("assistant")
  }

  #proof(of: string): string {
    return createHmac("sha256", this.#secret).update(`pnet console ${this.#port} ${of}`).digest("base64url")
  }

  /** A link that lets one browser in, once. */
  link(now: number): string {
    const token = this.#random()
    this.#links.set(token, now)
    for (const [first] of this.#links) {
      if (this.#links.size <= mostLinks) break
      this.#links.delete(first)
    }
    return `http://127.0.0.1:${this.#port}/?token=${token}`
  }

  /** Takes a token, which is good once; why it is none, otherwise. */
  #taken(token: string, now: number): Verdict | undefined {
    const made = this.#links.get(token)
    this.#links.delete(token)
    if (made === undefined) return this.#used.has(token) ? refused.used : refused.other
    if (now - made >= linkFor) return refused.old
    this.#used.add(token)
    for (const first of this.#used) {
      if (this.#used.size <= mostLinks) break
      this.#used.delete(first)
    }
    return undefined
  }

  #cookie(now: number): string {
    const until = String(now + cookieFor)
    return `${this.cookieName}=${until}.${this.#proof(until)}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${
      Math.floor(cookieFor / 1_000)
    }`
  }

  #hasCookie(header: string | undefined, now: number): boolean {
    for (const one of (header ?? "").split(";")) {
      const [name, value = ""] = one.trim().split("=", 2)
      if (name !== this.cookieName) continue
      const [until = "", proof = ""] = value.split(".", 2)
      if (/^\d{1,15}$/.test(until) && Number(until) > now && same(proof, this.#proof(until))) return true
    }
    return false
  }

  /** Judges a request. */
  judge({ headers, method, url }: Request, now: number): Verdict {
    const host = headers["host"] ?? ""
    if (!isLocal(host)) return refused.host
    const origin = headers["origin"]
    if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return refused.origin
    const parsed = url.length > mostUrl ? null : URL.parse(url, "http://127.0.0.1")
    if (parsed === null) return refused.address
    const token = parsed.pathname === "/" && method === "GET" ? parsed.searchParams.get("token") : null
    if (token !== null) {
      const why = this.#taken(token, now)
      // Whoever has come in by it already, and opens the link again, is in.
      return why === undefined || this.#hasCookie(headers["cookie"], now)
        ? { _tag: "Enter", cookie: this.#cookie(now) }
        : why
    }
    if (this.#hasCookie(headers["cookie"], now)) {
      // A cookie goes along with what another page starts, where a browser takes that page for one of this site.
      const site = headers["sec-fetch-site"]
      return site === undefined || site === "same-origin" || site === "none" ? pass : refused.origin
    }
    // As it is written: what is served goes by that, and not by where `..` leads.
    if (url.split("?", 1)[0] === mcpPath && origin === undefined) {
      const [scheme, key = ""] = (headers["authorization"] ?? "").split(" ", 2)
      if (scheme?.toLowerCase() === "bearer" && same(key, this.assistantKey)) return pass
    }
    return refused.stranger
  }
}

/** What every answer says to the browser. */
export const headers: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=(), payment=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}
