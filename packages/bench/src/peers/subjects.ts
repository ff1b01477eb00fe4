/** What is measured beside pnet, and how each of it is started. */
import * as Effect from "effect/Effect"
import type { Peer, Subject } from "../harness/calls.ts"
import * as Machine from "../harness/machine.ts"
import type { Certificate } from "../harness/sockets.ts"
import type { Needs } from "./obtaining.ts"

/** What can be measured, pnet first and the raw sockets last. */
export const subjects = [
  "pnet",
  "pnet-command",
  "pnet-typed",
  "libp2p",
  "libp2p-one",
  "zeromq-curve",
  "zeromq",
  "nats",
  "grpc",
  "cote",
  "moleculer",
  "effect",
  "tls",
  "raw"
] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

/** What there is to know of a subject. */
export interface About extends Needs {
  readonly title: string
  /** How what it sends is encrypted; `null`: it is not. */
  readonly encrypted: string | null
  /** Why its bulk is not measured, where it is not. */
  readonly noBulk?: string
}

/** What there is to know of each subject. */
export const about: Record<SubjectName, About> = {
  "pnet": { title: "pnet, stream function", encrypted: "CurveZMQ" },
  "pnet-command": { title: "pnet, by name", encrypted: "CurveZMQ", noBulk: "its node's streams are those above" },
  "pnet-typed": { title: "pnet, typed", encrypted: "CurveZMQ" },
  "libp2p": { title: "js-libp2p, a stream a call", encrypted: "Noise", program: "libp2p.js" },
  "libp2p-one": {
    title: "js-libp2p, one stream",
    encrypted: "Noise",
    program: "libp2p.js",
    noBulk: "its streams are those above"
  },
  "zeromq-curve": { title: "zeromq, CURVE", encrypted: "CURVE", program: "zeromq.js" },
  "zeromq": { title: "zeromq", encrypted: null, program: "zeromq.js" },
  "nats": { title: "NATS, by its server", encrypted: null, program: "nats.js", broker: true },
  "grpc": { title: "grpc-js, TLS", encrypted: "TLS 1.3", program: "grpc.js" },
  "cote": { title: "cote", encrypted: null, program: "cote.js", noBulk: "it has no streams" },
  "moleculer": { title: "moleculer, TCP", encrypted: null, program: "moleculer.js" },
  "effect": { title: "Effect RPC over TCP", encrypted: null },
  "tls": { title: "raw TLS", encrypted: "TLS 1.3" },
  "raw": { title: "raw socket", encrypted: null }
}

/** The titles alone. */
export const titles = Object.fromEntries(subjects.map((name) => [name, about[name].title])) as Record<
  SubjectName,
  string
>

/** What a run has made for the subjects. */
export interface Made {
  readonly certificate: Certificate
  readonly broker: { readonly port: number; readonly pid: number } | undefined
  /** Two ports that nobody uses. */
  readonly ports: Effect.Effect<readonly [number, number]>
}

/** How a subject is started: for calls, and for bulk, where that is something else than the same pair of processes. */
export const start = (
  name: SubjectName,
  { broker, certificate, ports }: Made
): Effect.Effect<{ readonly calls: Subject | Peer; readonly bulk?: Subject }> =>
  Effect.gen(function*() {
    const network = Machine.network(false)
    const cryptography = "native"
    switch (name) {
      case "pnet":
        return {
          calls: { _tag: "Advanced", cryptography, framing: "binary", command: "echo", network: yield* network }
        }
      case "pnet-command":
        return { calls: { _tag: "Command", cryptography, tracing: true, network: yield* network } }
      case "pnet-typed":
        return { calls: { _tag: "Typed", cryptography, tracing: true, network: yield* network } }
      case "effect":
        return { calls: { _tag: "Typed", cryptography, tracing: true, network: null } }
      case "tls":
        return {
          calls: { _tag: "Echo", batched: true, sealing: null, tls: certificate },
          bulk: { _tag: "Bulk", secret: null, tls: certificate }
        }
      case "raw":
        return { calls: { _tag: "Echo", batched: true, sealing: null }, bulk: { _tag: "Bulk", secret: null } }
      case "libp2p":
      case "libp2p-one":
        return { calls: { _tag: "Peer", oneStream: name === "libp2p-one" } }
      case "zeromq":
      case "zeromq-curve":
        return { calls: { _tag: "Peer", secure: name === "zeromq-curve" } }
      case "nats":
        return { calls: { _tag: "Peer", ...broker === undefined ? {} : { port: broker.port, helper: broker.pid } } }
      case "grpc":
        return { calls: { _tag: "Peer", ...certificate } }
      case "cote":
      case "moleculer":
        return { calls: { _tag: "Peer", ports: yield* ports } }
    }
  })
