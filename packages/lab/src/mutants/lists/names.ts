/** Who is who: a name is served by the key that proved it, and only proof changes what was proved. */
import { of, suites } from "./of.ts"

const whoIsWho = suites("WhoIsWho.sim", "Security.sim", "Sessions.sim", "Connections.sim", "RealNetworks.sim")

const peerSessions = of("names", "packages/core/src/internal/session/peerSessions.ts", whoIsWho, {
  "only-session": [
    `return session.usable && session.peer.name === name && !session.doubtful ? session : undefined`,
    `return session.usable && !session.doubtful ? session : undefined`,
    "calls to one name run at another peer, whose key an advert gave to the name"
  ],
  "several-sessions": [
    `if (!session.usable || session.peer.name !== name || session.doubtful) continue`,
    `if (!session.usable || session.doubtful) continue`,
    "of several sessions with a key one is used that proved another name"
  ],
  "reconcile": [
    `|| other.peer.name !== mine.peer.name) continue`,
    `) continue`,
    "a session is closed for one that proved another name"
  ]
})

const shaking = of("names", "packages/core/src/internal/session/shaking.ts", whoIsWho, {
  "dial-proof": [
    `promising()
          return yield* one.withPermit(`,
    `promising()
          return yield* Effect.suspend(() => `,
    "a peer that is reached by two addresses is left with two sessions"
  ]
})

const connecting = of("names", "packages/core/src/internal/session/connecting.ts", whoIsWho, {
  "dial-err": [
    `if (error._tag !== "ProtocolError" || error.origin === "local") peers`,
    `peers`,
    "a forged err puts a peer's address last"
  ],
  "dial-failed": [
    `if (error._tag !== "ProtocolError" || error.origin === "local") peers.failedUnsafe(publicKey, endpoint)`,
    ``,
    "an address that fails the handshake is tried first again"
  ],
  "other-name": [
    `trust.check(actualName, publicKey),
        peers.proved(`,
    `Effect.void,
        peers.proved(`,
    "a key that proves a name which belongs to another gets it"
  ]
})

const dial = of(
  "names",
  "packages/core/src/internal/connect/dialAny.ts",
  suites("dialAny", "WhoIsWho.sim", "Connections.sim", "RealNetworks.sim", "Security.sim"),
  {
    "dial-failure": [
      `failures[rank] = failure
              options.onFailure(failure)`,
      `failures[rank] = failure`,
      "an address that fails is tried first again"
    ],
    "dial-next": [
      `failed.openUnsafe()
            if (--left`,
      `if (--left`,
      "an address that refuses at once holds up the next"
    ],
    "dial-broken": [
      `else broken ??= cause as Cause.Cause<never>`,
      `else return Deferred.failCause(winner, cause as Cause.Cause<never>)`,
      "a way that breaks keeps a peer from being dialled by another"
    ],
    "dial-promising": [
      `if (isPromising) yield* Effect.timeoutOption(failed.await, headStart)`,
      ``,
      "a slow peer at its own address is dialled at all the others, too"
    ]
  }
)

const peers = suites("Peers", "WhoIsWho.sim", "Security.sim")

const liveness = of("names", "packages/core/src/internal/peers/liveness.ts", peers, {
  "probe-fixed": [
    `(entry.fixed === undefined || advert.name === entry.peer.name)`,
    `(entry.fixed !== undefined || advert.name === entry.peer.name)`,
    "a peer that was not proved yet is lost because it has another name now"
  ]
})

const membership = of("names", "packages/core/src/internal/peers/membership.ts", peers, {
  "conflict-name": [
    `this.#watchers.wake(entry.peer, "Conflict", (bound) => bound === name)`,
    ``,
    "what is bound to a peer goes on under a name that the operator took from it"
  ],
  "leaving-elsewhere": [
    `if (withdrawn === "None") return`,
    ``,
    "anybody takes a peer without a session off the table"
  ]
})

const addresses = of("names", "packages/core/src/internal/peers/addresses.ts", peers, {
  "leaving-proved": [
    `if (others.length === 0 || taken.some(({ proved }) => proved)) return "All"`,
    `if (others.length === 0) return "All"`,
    "a peer that leaves stays where somebody made up an address for it"
  ]
})

const asking = suites("WhoIsWho.sim", "Security.sim", "BasicNode.sim", "Connections.sim")

const conversation = of("names", "packages/core/src/internal/raw/conversation.ts", asking, {
  "raw-busy": [
    `const isOther = name !== exchange.name`,
    `const isOther = true`,
    "an answer of the one that was asked is taken for another's"
  ]
})

const channel = of("names", "packages/core/src/internal/raw/channel.ts", asking, {
  "raw-stale": [
    `this.sent[0]?.done === true`,
    `this.sent.length > 0 && this.sent.every(({ done }) => done)`,
    "messages that overlap wait for ever where somebody only accepts connections"
  ]
})

export const namesList = [
  ...peerSessions,
  ...shaking,
  ...connecting,
  ...dial,
  ...liveness,
  ...membership,
  ...addresses,
  ...conversation,
  ...channel
]
