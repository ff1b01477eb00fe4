/** Mutations of nodes in browsers, and of WebSockets. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const listens = suites("web/Listener")
const kept = suites("web/Storage")
const reached = suites("web/Reach")

const listener = of("web-listener", "packages/web/src/WebSocketListener.ts", listens, {
  "origin": [
    `page.host === parseUrl(\`\${page.protocol}//\${host}\`)?.host`,
    `host !== ""`,
    "a page of any site connects to a node in the LAN of who visits it"
  ],
  "origins": [
    `return origins.includes(origin)`,
    `return origin !== ""`,
    "origins that were not named are taken"
  ],
  "upgrade": [`?.toLowerCase() !== "websocket"`, `=== ""`, "what is no WebSocket is taken for one"],
  "one": [`if (isListening) return`, `if (false) return`, "two nodes listen at one path"],
  "over": [`void (accept = undefined)`, `void 0`, "connections are taken for a node that is gone"],
  "proxies": [
    `trustedProxies.length === 0 ? taken :`,
    `options?.trustedProxies === undefined ? HttpMiddleware.xForwardedHeaders({ trustedProxies: [networkOf("0.0.0.0/0")] })(taken) :`,
    "anybody says whom a connection is from"
  ],
  "held": [
    `return typeof held === "number" ? held : 0`,
    `return 0`,
    "who does not read has the server hold as much as it likes"
  ],
  "released": [
    `    releasedWhenEnded(request)\n`,
    ``,
    "whoever asks for a WebSocket and gets none keeps a connection of the server for ever"
  ],
  "payload": [`maxPayload: Channel.maxMessage`, `maxPayload: 2 ** 26`, "a message may have any size"],
  "pieces": [`maxFragments: 256`, `maxFragments: 16_384`, "a message may come in thousands of pieces"],
  "chunks": [
    `maxBufferedChunks: 4_096`,
    `maxBufferedChunks: 0`,
    "a message that comes byte by byte takes hundreds of bytes for each"
  ],
  "deflate": [`  perMessageDeflate: false\n}`, `  perMessageDeflate: true as false\n}`, "messages are compressed"],
  "closing": [`closeTimeout: 1_000`, `closeTimeout: 30_000`, "who does not answer an end keeps its socket for long"]
})

const channel = of("web-channel", "packages/web/src/internal/channel.ts", listens, {
  "size": [`return bytes.length > maxMessage`, `return false`, "longer messages are taken than may be sent"],
  "behind": [
    `    if (this.#ended !== undefined) return
    if (this.#receiver === undefined)`,
    `    if (this.#receiver === undefined)`,
    "what comes behind a message that may not come is taken",
    { tests: ["web/Channel"] }
  ],
  "valve": [`if (this.#memory <= maxBuffered) return true`, `return true`, "nobody waits for who does not read"],
  "valve-messages": [
    `return held + perMessage * (lengths.length - this.#first)`,
    `return held`,
    "very many short messages are held for who does not read",
    { tests: ["web/Channel"] }
  ],
  "valve-sent": [
    `this.#first < lengths.length && this.#size - lengths[this.#first]! >= held`,
    `false`,
    "what was sent long ago counts as held",
    { tests: ["web/Channel"] }
  ],
  "again": [`    this.#room()\n`, ``, "who has waited once waits for ever"]
})

const pins = of("web-urls", "packages/web/src/internal/urlDiscovery.ts", reached, {
  "pin": [
    `if (pinned === undefined || pinned === publicKey)`,
    `if (pinned === undefined || publicKey !== undefined)`,
    "another node at a URL is taken for the one whose key stands behind it"
  ]
})

const listed = of("web-listed", "packages/web/src/internal/listedUrls.ts", reached, {
  "scheme": [`url.protocol !== "wss:" && url.protocol !== "ws:"`, `false`, "URLs are listed that no WebSocket opens"],
  "password": [`url.username !== "" || url.password !== ""`, `false`, "passwords are in URLs that logs have"],
  "key": [
    `if (url.hash !== "" && publicKey === undefined)`,
    `if (false)`,
    "a key that is none leaves a node without one, and nobody hears of it"
  ]
})

const reach = of("web-reach", "packages/web/src/WebReach.ts", reached, {
  "released": [
    `Effect.andThen(Effect.map(HttpServerRequest, releasedWhenEnded), answer)`,
    `answer`,
    "whoever asks another route for a WebSocket keeps a connection of the server for ever",
    { tests: ["web/Listener"] }
  ],
  "origins": [
    `if (origin !== undefined)`,
    `if (false)`,
    "an origin with a slash at its end keeps all its pages out, and nobody says so"
  ],
  "path": [`options?.path ?? "/pnet"`, `"/pnet"`, "a node listens where it was not told to"]
})

const locks = of("web-locks", "packages/web/src/internal/locks.ts", kept, {
  "held": [`if (lock === null || isOver)`, `if (isOver)`, "two tabs run with one identity"],
  "release": [`Effect.sync(release)`, `Effect.void`, "a tab that has ended its node keeps the identity"]
})

const identity = of("web-identity", "packages/web/src/WebIdentity.ts", kept, {
  "one": [`this.#tabs === "one" ? 1 : mostTabs`, `mostTabs`, "a second tab starts though there is to be one"],
  "most": [`const mostTabs = 64`, `const mostTabs = 65`, "more tabs have identities than there are to be"],
  "full": [
    `yield* Effect.ignore(this.#store.set(\`\${slot}/\${number}/holder\`, said))`,
    `yield* failed(this.#store.set(\`\${slot}/\${number}/holder\`, said))`,
    "a node whose storage is full does not start, though its identity is there"
  ]
})

const storage = of("web-storage", "packages/web/src/WebStorage.ts", kept, {
  "open": [`.pipe(inTime("open"))`, ``, "a node waits for ever for a browser that says nothing"],
  "step": [`.pipe(inTime(method, key))`, ``, "a value is waited for for ever"],
  "late": [`else request.result.close()`, ``, "a database that opens too late stays open"],
  "abort": [`transaction.addEventListener("abort", no)`, ``, "what there was no room for is waited for"]
})

export const webList: ReadonlyArray<Mutation> = [
  ...listener,
  ...channel,
  ...pins,
  ...listed,
  ...reach,
  ...locks,
  ...identity,
  ...storage
]
