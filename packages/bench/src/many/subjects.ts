/** What carries messages from one to many, and how each of it is started. */
import * as Effect from "effect/Effect"
import type { ToMany } from "../harness/calls.ts"
import * as Machine from "../harness/machine.ts"
import type { Needs } from "../peers/obtaining.ts"

/** What can be measured, pnet first. */
export const subjects = [
  "pnet-topic",
  "pnet-topic-bytes",
  "pnet-all",
  "zeromq-curve",
  "zeromq",
  "nats",
  "moleculer"
] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

/** What there is to know of a subject. */
export interface About extends Needs {
  readonly title: string
  /** How what it sends is encrypted; `null`: it is not. */
  readonly encrypted: string | null
}

/** What there is to know of each subject. */
export const about: Record<SubjectName, About> = {
  "pnet-topic": { title: "pnet, typed topic", encrypted: "CurveZMQ" },
  "pnet-topic-bytes": { title: "pnet, topic of bytes", encrypted: "CurveZMQ" },
  "pnet-all": { title: "pnet, calls of all", encrypted: "CurveZMQ" },
  "zeromq-curve": { title: "zeromq, PUB/SUB, CURVE", encrypted: "CURVE", program: "zeromq.js" },
  "zeromq": { title: "zeromq, PUB/SUB", encrypted: null, program: "zeromq.js" },
  "nats": { title: "NATS core, by its server", encrypted: null, program: "nats.js", broker: true },
  "moleculer": { title: "moleculer, broadcast", encrypted: null, program: "moleculer.js" }
}

/** What a run has made for the subjects. */
export interface Made {
  readonly broker: { readonly port: number; readonly pid: number } | undefined
  /** Ports that nobody uses, one for each side. */
  readonly ports: Effect.Effect<ReadonlyArray<number>>
}

/** How a subject is started. */
export const start = (name: SubjectName, { broker, ports }: Made): Effect.Effect<ToMany> =>
  Effect.gen(function*() {
    switch (name) {
      case "pnet-topic":
        return { _tag: "Topic", values: "texts", network: yield* Machine.network(false) }
      case "pnet-topic-bytes":
        return { _tag: "Topic", values: "bytes", network: yield* Machine.network(false) }
      case "pnet-all":
        return { _tag: "All", network: yield* Machine.network(false) }
      case "zeromq":
      case "zeromq-curve":
        return { _tag: "Peer", secure: name === "zeromq-curve" }
      case "nats":
        return { _tag: "Peer", ...broker === undefined ? {} : { port: broker.port, helper: broker.pid } }
      case "moleculer":
        return { _tag: "Peer", ports: yield* ports }
    }
  })
