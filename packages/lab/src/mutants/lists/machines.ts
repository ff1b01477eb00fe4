/** Real machines, their variables, files and names; and what keeps nodes from each other. */
import { of, suites } from "./of.ts"

const variables = of(
  "variables",
  "packages/core/src/internal/values/variables.ts",
  suites("NodeOptions", "node/NodePnet"),
  {
    "empty": [
      `Redacted.value(found.value).trim() === "" ? empty : Effect.succeed(found)`,
      `false ? empty : Effect.succeed(found)`,
      "a secret of blanks starts a network in clear"
    ],
    "there": [
      `: trace === "empty"
        ? empty`,
      `: trace === "empty"
        ? Effect.succeedNone`,
      "a variable that is set and empty turns security off"
    ],
    "longer": [
      `if (!(yield* has(parts.slice(0, -1), parts.at(-1)!))) return undefined
      const node = yield* provider.load(parts)`,
      `if (!(yield* has(parts.slice(0, -1), parts.at(-1)!))) return undefined
      const node = yield* provider.load(parts)
      if (node !== undefined) return undefined`,
      "a key in a file that nobody reads starts a network in clear"
    ],
    "nested": [
      `issue.path.slice(0, -1).map(String) : []`,
      `[] : []`,
      "a variable that is set and empty turns security off, under another name"
    ],
    "source": [
      `Effect.provideService(self.parse(provider), ConfigProvider.ConfigProvider, provider)`,
      `self.parse(provider)`,
      "a variable that is set and empty turns security off, where the source is not that of the program"
    ]
  }
)

const costly = suites("Cost.sim", "Session.wire", "Limits.sim", "Security.sim", "Sessions.sim", "Connections.sim")

const table = of("cost", "packages/core/src/internal/session/table.ts", costly, {
  "per-peer": [
    `if (state.places >= limits.sessionsPerPeer && !this.#supersede(state)) {`,
    `if (false) {`,
    "one key has all sessions",
    { tests: ["Session.wire"] }
  ],
  "per-peer-given-back": [
    `state.places--
          this.forget`,
    `this.forget`,
    "a key whose sessions have ended can make no more",
    { tests: ["Session.wire"] }
  ],
  "credit-per-peer": [
    `new Budget(this.#host.limits.credit / 4, this.#budget)`,
    `new Budget(this.#host.limits.credit, this.#budget)`,
    "one key has all credit, over several sessions",
    { tests: ["Session.wire"] }
  ]
})

const accepting = of("cost", "packages/core/src/internal/session/accepting.ts", costly, {
  "per-address": [
    `if (!handshakesFrom.take(connection.remote?.host ?? "", begun) || !handshakes.take(begun)) {`,
    `if (!handshakes.take(begun)) {`,
    "one address takes a whole second's handshakes"
  ],
  "hello-again": [
    `if (self.cipher.encrypted && hellos.has(Handshake.helloId(hello), begun)) {`,
    `if (false) {`,
    "a recorded HELLO makes this node compute again"
  ],
  "hello-kept": [
    `if (self.cipher.encrypted) hellos.add(Handshake.helloId(hello), begun)`,
    ``,
    "a recorded HELLO makes this node compute again"
  ]
})

const handlers = of("cost", "packages/core/src/internal/session/handlers.ts", costly, {
  "handler-newer": [
    `place.splice(place.lastIndexOf(handler), 1)`,
    `place.pop()`,
    "closing an older handler takes the newer one away"
  ],
  "shown": [`text.length <= 100 ? text :`, `true ? text :`, "what a peer is told repeats its own text, however long", {
    tests: ["handlers"]
  }]
})

const obstacles = of(
  "obstacles",
  "packages/core/src/internal/values/obstacles.ts",
  suites("Obstacles", "Discovery.udp", "Peers", "RealNetworks.sim", "Diagnose.sim", "HostNames.sim"),
  {
    "heard": [`if (heard.size > heardKept) {`, `if (false) {`, "what strangers make a node remember has no end"],
    "looks": [
      `if (table === heard && !this.looks.take(now)) return undefined`,
      ``,
      "looking into bad datagrams takes as long as they come"
    ],
    "listed": [
      `private readonly listed = new Notes()`,
      `private readonly listed = Object.assign(new Notes(), { told: this.heard.told })`,
      "strangers keep back what is to be said of a listed peer",
      { tests: ["Obstacles"] }
    ],
    "said": [
      `if (more === undefined) return undefined
    return Effect.logWithLevel`,
      `return Effect.logWithLevel`,
      "what lasts is said with every datagram"
    ]
  }
)

const writes = of("writes", "packages/node/src/NodeNetwork.ts", suites("node/Transport"), {
  "taken": [
    `if (connection.writableLength === 0) return Effect.void`,
    `return Effect.void`,
    "what was written is overwritten before the system has taken it"
  ],
  "lends": [
    `return room && !lends ? Effect.void`,
    `return room ? Effect.void`,
    "what was lent is overwritten before the system has taken it"
  ],
  "copies": [
    `if (connection.writableLength > 0) copies = undefined`,
    ``,
    "what was written at once is overwritten before the system has taken it"
  ],
  "copied": [
    `large || typeof chunk === "string" ? chunk : Buffer.from(chunk)`,
    `chunk`,
    "what is short is overwritten before the system has taken it"
  ]
})

const hold = of("hold", "packages/node/src/internal/hold.ts", suites("node/NodeTrust", "node/NodeIdentity"), {
  "taken": [
    `codeOf(cause) === "EADDRINUSE" ? taken : unavailable(cause)`,
    `unavailable(cause)`,
    "two programs that judge a lock at once take away each other's"
  ],
  "stays": [
    `server.unref()`,
    ``,
    "a key that is held keeps a process alive that has nothing more to do"
  ]
})

const keyFiles = of("key-files", "packages/node/src/NodeIdentity.ts", suites("node/NodeIdentity"), {
  "opened": [
    `    yield* judge(yield* file.stat)
`,
    ``,
    "a file that was put in the place of the one that was judged is read"
  ],
  "place": [
    `update(real).digest`,
    `update(path).digest`,
    "two starts make two keys where files cannot be linked"
  ]
})

const trustFiles = of("trust-files", "packages/node/src/NodeTrust.ts", suites("node/NodeTrust"), {
  "opened": [
    `    yield* judge(info)
`,
    ``,
    "a file that was put in the place of the one that was judged is read"
  ]
})

const locks = of("trust-files", "packages/node/src/internal/lockFile.ts", suites("node/NodeTrust"), {
  "lock": ["const lock = `${real}.lock`", "const lock = `${path}.lock`", "a link leads to another lock than its file"],
  "another's": [
    `if (Option.getOrUndefined(ino) === Option.getOrUndefined(mine.ino)) yield*`,
    `yield*`,
    "a program that was frozen takes away another's lock"
  ],
  "breaks": [`take(lock, held._tag !== "Taken")`, `take(lock, true)`, "two take away each other's lock"]
})

const sockets = of("node-network", "packages/node/src/NodeNetwork.ts", suites("node/Transport"), {
  "at-once-waits": [
    ` || connection.writableLength > 0) return false`,
    `) return false`,
    "bytes wait without end for a peer that does not read"
  ],
  "at-once-long": [
    `if (bytes.length >= lent) return false`,
    ``,
    "what is longer than the place for its copy throws where it is written"
  ],
  "at-once-copied": [
    `connection.write(Buffer.from(bytes))`,
    `connection.write(bytes)`,
    "bytes that wait to be sent are overwritten"
  ]
})

const reading = [
  ...of("node-network", "packages/node/src/internal/reading.ts", suites("node/Transport"), {
    "each-throws": [
      `        return resume(Effect.die(cause))`,
      `        return resume(Effect.succeed(false))`,
      "nobody hears that a function threw what it was given"
    ],
    "young": [
      `        Young.read(chunk.length)\n`,
      ``,
      "all that lives is marked for each 25 MiB that are read"
    ],
    "each-turn": [
      `          if (taken < turn || isStopped) return
`,
      `          return
`,
      "others wait as long as one connection has something"
    ]
  }),
  ...of("node-network", "packages/node/src/internal/reading.ts", suites("node/reading"), {
    "each-left": [
      `      if (take(chunks[i] as Uint8Array)) continue
`,
      `      if (take(chunks[i] as Uint8Array) || i + 1 < chunks.length) continue
`,
      "who wants no more is given what was pulled with it"
    ]
  })
]

const young = of("young", "packages/node/src/internal/young.ts", suites("node/Transport"), {
  "room": [
    `    if (!isMade) return\n`,
    ``,
    "a process whose heap is nearly full is ended by what is made for what it reads"
  ],
  "old": [
    `(used - young)`,
    `used`,
    "what is young counts for what is old, and nothing is made where there is room"
  ],
  "large": [
    `youngAtMost > largest ? -1 : `,
    ``,
    "more is made than spares anything, where the young are so large that V8 marks before they are full"
  ],
  "grown": [
    `if (!hasMarkedMeanwhile || `,
    `if (true || `,
    "V8 keeps the heap of a process that did little small, and marks for each 10 MiB that are read"
  ],
  "grown-often": [
    `!hasMarkedMeanwhile || `,
    ``,
    "what is held for the heap to grow is held where V8 did not mark at all"
  ],
  "grown-since": [
    `      hasMarked = false\n`,
    ``,
    "what is held for the heap to grow is held for a marking of long ago"
  ],
  "grown-other": [
    `sinceMarked >= many`,
    `true`,
    "what is held for the heap to grow is held where V8 marks for something else"
  ],
  "grown-twice": [`isAgain ? times * 2 : 1`, `1`, "as much is held again where it did not help"],
  "grown-most": [
    `if (isAgain && times === mostTimes) return false`,
    `if (isAgain) return false`,
    "no more is held where it did not help"
  ],
  "grown-seldom": [
    `sinceHeld < seldom * times`,
    `sinceHeld < seldom`,
    "where it does not help that more is held, it is again soon"
  ],
  "grown-large": [`heap.used - heap.young > small || `, ``, "more is held in heaps in which it changes nothing"],
  "grown-room": [
    `roomOf(heap) < roomy * next * more`,
    `roomOf(heap) < 0`,
    "a process whose heap is nearly full is ended by what is held for it to grow"
  ],
  "let-go-healthy": [
    `sinceHeld >= seldom) letGo()`,
    `false) letGo()`,
    "what is held is there when V8 makes the heap small next"
  ],
  "grown-little": [
    `    sinceMarked = 0\n`,
    ``,
    "what V8 marked for something else counts as soon as much was read in all"
  ],
  "grown-again": [
    `    markings = 0\n    hold(undefined)`,
    `    hold(undefined)`,
    "more is held once alone where V8 has not marked twice meanwhile"
  ],
  "grown-looks-again": [
    `!growth.look(now) || hasRoom(heap())`,
    `!growth.look(now) || true`,
    "the young are made where what is held took their room"
  ],
  "let-go": [
    `--markings === 0) letGo()`,
    `--markings === 0) markings = 0`,
    "what is held for the heap to grow is held for ever"
  ],
  "marked": [`  watchMarking(onMarked)\n  onMarked()`, `  onMarked()`, "nobody sees but the first time that V8 marks"],
  "seldom": [`unseen = between`, `unseen = 0`, "the heap is looked at for each read"]
})

const closed = [
  ...of("node-closed", "packages/node/src/NodeNetwork.ts", suites("node/lingering"), {
    "lingering": [
      `  lingering.add(connection)\n`,
      ``,
      "closed connections whose peers take nothing hold what they like"
    ]
  }),
  ...of("lingering", "packages/node/src/internal/lingering.ts", suites("node/lingering"), {
    "count": [
      `this.#connections.size <= this.#most.connections && `,
      ``,
      "as many closed connections are there as peers like"
    ],
    "bytes": [` && this.#bytes <= this.#most.bytes`, ``, "closed connections hold as much as peers like"],
    "empty": [`bytes === 0 || `, ``, "what the system has all of takes the place of others"],
    "twice": [` || this.#connections.has(connection)`, ``, "a connection counts as often as it is closed"],
    "end": [`late.addEventListener("abort", cut)`, ``, "a byte now and then keeps a closed connection"],
    "close": [
      `      this.#forget(connection)
    })`,
      `    })`,
      "connections that are gone count for those that are there"
    ]
  })
]

const shapes = of("shapes", "packages/core/src/internal/base/shapes.ts", suites("CallCost.sim"), {
  "with": [
    `keptWith.set(owner, [...keptWith.get(owner) ?? [], ...samples])`,
    `kept.push(owner, ...samples)`,
    "a node that has ended is kept for good, with its functions"
  ]
})

export const machinesList = [
  ...young,
  ...shapes,
  ...closed,
  ...variables,
  ...table,
  ...accepting,
  ...handlers,
  ...obstacles,
  ...writes,
  ...hold,
  ...keyFiles,
  ...trustFiles,
  ...locks,
  ...sockets,
  ...reading
]
