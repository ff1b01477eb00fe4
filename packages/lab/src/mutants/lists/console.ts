/** The console: who is let in, what a page may take, and what is left of it when it is closed. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const server = "packages/console/src/internal/server"

const door = of("console-door", `${server}/door.ts`, suites("console/door"), {
  "host": [
    `if (!isLocal(host)) return`,
    `if (false) return`,
    "a page whose own server's name means 127.0.0.1 opens the console"
  ],
  "origin": [
    `if (origin !== undefined && origin.toLowerCase()`,
    `if (false && origin !== undefined && origin.toLowerCase()`,
    "another page sends requests with the cookie"
  ],
  "once": [
    `    this.#links.delete(token)\n    if (made`,
    `    if (made`,
    "a link lets in as often as it is opened"
  ],
  "site": [
    `return site === undefined ||`,
    `return true || site === undefined ||`,
    "what another page starts goes on with the cookie"
  ],
  "name-before": [
    `const localName = /^(?:127`,
    `const localName = /(?:127`,
    "a page whose own server's name ends in this machine's opens the console"
  ],
  "week": [` && Number(until) > now`, ``, "a browser that was let in stays so for ever"],
  "link-old": [`if (now - made >= linkFor) return refused.old`, ``, "a link that was never opened is good for ever"],
  "assistants-page": [
    `=== mcpPath && origin === undefined`,
    `=== mcpPath`,
    "a page that has the key of an assistant calls its tools"
  ],
  "assistants": [
    `url.split("?", 1)[0] === mcpPath && origin === undefined`,
    `origin === undefined`,
    "the key of an assistant opens the page"
  ],
  "port": [`Number(found[1] ?? 1) <= mostPort`, `true`, "a host of no port that there is breaks the server"],
  "url": [`url.length > mostUrl ? null :`, ``, "a path that no file can have breaks the server"],
  "told": [`this.#used.add(token)`, ``, "whoever opens a link again is told that it is of another start"],
  "proof": [
    `Number(until) > now && same(proof, this.#proof(until))`,
    `Number(until) > now`,
    "anybody makes a cookie"
  ]
})

const serving = of("console-serving", `${server}/serving.ts`, suites("console/door"), {
  "connections": [
    `made.maxConnections = mostConnections`,
    ``,
    "whoever is on this machine takes any number of connections"
  ],
  "around": [
    `).pipe(Scope.provide(around), `,
    `).pipe(`,
    "a console does not end while a page is open"
  ],
  "released": [
    `socket.once("finish", () => socket.destroy())`,
    `socket`,
    "whoever is on this machine takes all connections with requests that were refused, and keeps them"
  ],
  "refused": [
    `"connection", "close")`,
    `"x-connection", "close")`,
    "whoever is on this machine asks on one connection for as long as he likes, and reads nothing"
  ],
  "unread": [
    `made.timeout = unread`,
    `void unread`,
    "whoever takes nothing of an answer keeps the connection for ever"
  ],
  "looks": [
    `connectionsCheckingInterval: looks,`,
    ``,
    "a request that never comes whole is waited for four times as long"
  ],
  "chunks": [
    `maxBufferedChunks: 4_096`,
    `maxBufferedChunks: 0`,
    "a message that a page sends byte by byte takes hundreds of bytes for each"
  ],
  "pages-by-path": [
    `request.headers["upgrade"] === undefined ? app : counted`,
    `path === rpcPath ? counted : app`,
    "by another writing of its path there are any number of pages"
  ],
  "pages": [`++pages <= mostPages`, `++pages > 0`, "there are any number of pages"],
  "message": [`maxPayload: mostBytes`, `maxPayload: 2 ** 30`, "a page sends any number of bytes at once"],
  "pieces": [`maxFragments: 256`, `maxFragments: 16_384`, "a page sends a message in thousands of pieces"],
  "declared": [
    `if (Number(request.headers["content-length"]) > mostBytes)`,
    `if (false)`,
    "a body that says that it is too long is read until it is"
  ],
  "hosts": [`joinDuplicateHeaders: true`, `joinDuplicateHeaders: false`, "a second host goes with the first"],
  "name": [`if (longName.test(path)) return yield* nothing`, ``, "a name that no file can have breaks the server"],
  "headers": [
    `{ ...Door.headers, "content-security-policy": policy`,
    `{ "content-security-policy": policy`,
    "what is shown at the door may be in a frame of others"
  ],
  "body": [
    `MaxBodySize, ByteSize.bytes(mostBytes)`,
    `MaxBodySize, ByteSize.bytes(2 ** 30)`,
    "a request has a body of any length"
  ]
})

const asking = of("console-asking", `${server}/handlers.ts`, suites("console/ask.sim"), {
  "act": [`if (!act) return yield*`, `if (false) return yield*`, "a console that only shows decides whom to trust"],
  "many": [`open < most ?`, `true ?`, "pages have any number of calls open"]
})

const cutting = of("console-cut", `${server}/cut.ts`, suites("console/ask.sim"), {
  "text": [`if (text.length <= most) return text`, `return text`, "a peer's texts go to the page however long they are"]
})

const describing = of("console-describing", `${server}/describing.ts`, suites("console/hostile"), {
  "functions": [
    `described.slice(0, mostFunctions + everyNode.size)`,
    `described`,
    "a page is sent any number of functions of a peer"
  ],
  "schema": [` || size > mostSchema`, ``, "a page is sent a schema of any length"],
  "room": [` || size > room`, ``, "a page is sent schemas of any length in all"]
})

const listing = of("console-topics", `${server}/topics.ts`, suites("console/hostile"), {
  "topics": [` && found.size >= mostTopics`, ` && found.size < 0`, "a page is sent any number of topics"],
  "subscribers": [
    `subscribers.slice(0, mostSubscribers)`,
    `subscribers`,
    "a page is sent any number of who subscribes"
  ],
  "counted": [`this.#rows.size >= mostCounted`, `this.#rows.size < 0`, "any number of rows is kept for a page"],
  "shown": [`this.#known.size >= mostRows`, `this.#known.size < 0`, "a page is sent any number of rows"]
})

const people = of("console-people", `${server}/people.ts`, suites("console/crowd.sim"), {
  "most": [`if (this.byKey.size > mostPeers)`, `if (false)`, "any number of peers is shown"]
})

const changing = of("console-change", `${server}/people.ts`, suites("console/watch.sim"), {
  "woken": [
    `    make(++this.version)\n    this.waiting.wake()`,
    `    this.waiting.wake()\n    make(++this.version)`,
    "a change is not shown before the next one, or never"
  ]
})

const pacing = of("console-pace", `${server}/waiting.ts`, suites("console/crowd.sim"), {
  "pace": [`if (early > 0) yield* Effect.sleep(early)`, ``, "a page is sent each change by itself"]
})

const closing = of("console-hub", `${server}/hub.ts`, suites("console/watch.sim"), {
  "end": [
    `RcRef.make({ acquire })`,
    `RcRef.make({ acquire, idleTimeToLive: 3_600_000 })`,
    "the node is watched though no page is open"
  ]
})

const spans = of(
  "console-spans",
  "packages/console/src/ConsoleSpans.ts",
  suites("console/hostile", "console/watch.sim"),
  {
    "asleep": [
      `this.asleep = this.#inner === undefined\n        this.ended`,
      `this.ended`,
      "calls have spans though no page is open",
      { tests: ["console/watch.sim"] }
    ],
    "running": [`if (this.running.size < mostRunning)`, `if (true)`, "spans that go on are kept without end"]
  }
)

const traces = of("console-traces", `${server}/traces.ts`, suites("console/hostile", "console/ask.sim"), {
  "id": [
    `id === undefined || id.length <= mostId`,
    `true`,
    "a peer's spans have ids of any length, which are kept and sent"
  ],
  "cut": [`name: cut(span.name)`, `name: span.name`, "a peer's spans have names of any length"],
  "most": [`spans.slice(0, mostSpans).filter`, `spans.filter`, "a peer gives any number of spans"]
})

const agent = of("console-agent", "packages/console/src/ConsoleAgent.ts", suites("console/ask.sim"), {
  "allow": [`{ allow: options.allow }`, `{}`, "a node shows its spans to everybody"],
  "most": [`spans.of(trace).slice(0, mostSpans)`, `spans.of(trace)`, "an answer has all spans of a trace"]
})

const elements = of("console-elements", "packages/console/src/Elements.ts", suites("console/hostile"), {
  "depth": [`parts > mostParts || depth > deepest`, `parts > mostParts`, "a stream's values may be nested without end"],
  "parts": [
    `parts > mostParts || depth > deepest`,
    `depth > deepest`,
    "a line of a stream takes many times its length in memory"
  ],
  "text": [
    `for (i++; i < line.length && line.charCodeAt(i) !== 0x22; i++) if (line.charCodeAt(i) === 0x5c) i++`,
    ``,
    "brackets in a text are taken for values"
  ],
  "line": [`if (length > longestLine)`, `if (false)`, "a peer sends a line without end, which is kept"],
  "pieces": [
    `const lines = isWhole ? pending`,
    `const lines = pending.join("") !== "" && isWhole ? pending`,
    "a line in crumbs takes the square of its length in time"
  ]
})

export const consoleList: ReadonlyArray<Mutation> = [
  ...door,
  ...serving,
  ...asking,
  ...cutting,
  ...describing,
  ...listing,
  ...people,
  ...changing,
  ...pacing,
  ...closing,
  ...spans,
  ...traces,
  ...agent,
  ...elements
]
