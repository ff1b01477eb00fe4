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
  /** It does not go on. The text says why, for the person who reads it. */
  | { readonly _tag: "Refuse"; readonly why: string }

const pass: Verdict = { _tag: "Pass" }

const refuse = (why: string): Verdict => ({ _tag: "Refuse", why })

// Links that were printed and not used yet: the oldest is as good as lost.
const mostLinks = 16
const linkFor = Duration.toMillis(Duration.hours(12))
/** How long a browser that was let in stays so. */
export const cookieFor = Duration.toMillis(Duration.days(7))

const localName = /^(?:127\.0\.0\.1|localhost)(?::\d{1,5})?$/i

const same = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** The path of the tools of assistants, which have no cookies. */
export const mcpPath = "/mcp"

export class Door {
  readonly #secret: Uint8Array
  readonly #random: () => string
  readonly #port: number
  /** The tokens of links, and when each was made. */
  readonly #links = new Map<string, number>()
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

  #taken(token: string, now: number): boolean {
    const made = this.#links.get(token)
    this.#links.delete(token)
    return made !== undefined && now - made < linkFor
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
    if (!localName.test(host)) {
      return refuse("The console of pnet is reached as 127.0.0.1 alone. This request names another host.")
    }
    const origin = headers["origin"]
    if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
      return refuse("The console of pnet answers its own page alone. This request comes from another one.")
    }
    const parsed = URL.parse(url, "http://127.0.0.1")
    if (parsed === null) return refuse("The console of pnet does not understand this address.")
    const token = parsed.pathname === "/" && method === "GET" ? parsed.searchParams.get("token") : null
    if (token !== null) {
      if (this.#taken(token, now)) return { _tag: "Enter", cookie: this.#cookie(now) }
      // Whoever has come in by it already, and opens the link again, is in.
      return this.#hasCookie(headers["cookie"], now)
        ? { _tag: "Enter", cookie: this.#cookie(now) }
        : refuse(
          "This link was used already, or is of another start of the console. Run pnet console again for a new one."
        )
    }
    if (this.#hasCookie(headers["cookie"], now)) {
      // A cookie goes along with what another page starts, where a browser takes that page for one of this site.
      const site = headers["sec-fetch-site"]
      return site === undefined || site === "same-origin" || site === "none"
        ? pass
        : refuse("The console of pnet answers its own page alone. This request comes from another one.")
    }
    // As it is written: what is served goes by that, and not by where `..` leads.
    if (url.split("?", 1)[0] === mcpPath && origin === undefined) {
      const [scheme, key = ""] = (headers["authorization"] ?? "").split(" ", 2)
      if (scheme?.toLowerCase() === "bearer" && same(key, this.assistantKey)) return pass
    }
    return refuse("The console of pnet lets in who has opened its link. Run pnet console for one.")
  }
}

/**
 * What leads to the page. It is a page itself: a browser that has come from elsewhere, as from a file or a chat, would send the cookie along with no redirect, since that goes
 * on with what another site began.
 */
export const entrance =
  "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=\"0;url=/\"><title>pnet</title>" +
  "<p>You are let in: <a href=/>to the console</a>.</p>\n"

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
