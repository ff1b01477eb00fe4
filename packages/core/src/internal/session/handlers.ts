/** Who serves the streams that peers open: of a protocol, or of one name of it. The last that was set serves, until it is taken away. */
import type { MuxStream } from "./muxStream.ts"
import { draining } from "./refused.ts"
import type { Session } from "./session.ts"

export type Handler = (stream: MuxStream, session: Session) => void

/** A protocol, or one name of it. */
export type Where = string | { readonly protocol: string; readonly name: string }

interface OfProtocol {
  readonly all: Array<Handler>
  readonly named: Map<string, Array<Handler>>
}

/** A peer's text, in what it is told about it. */
const shown = (text: string): string => text.length <= 100 ? text : `${text.slice(0, 100)}…`

/** What nodes tell each other of themselves, and what they publish, which is no call. */
const ofNodes: ReadonlySet<string> = new Set(["credentials", "offer", "topic"])

/** Whether a stream is a call, or something else that a program asks for. */
export const isCall = (protocol: string): boolean => !ofNodes.has(protocol)

export class Handlers {
  /** Whether the node takes no more calls, as it is about to leave. */
  drains: () => boolean = () => false
  readonly #protocols = new Map<string, OfProtocol>()

  /** What it gives takes this handler away, and no other of the same place. */
  add(where: Where, handler: Handler): () => void {
    const protocol = typeof where === "string" ? where : where.protocol
    let served = this.#protocols.get(protocol)
    if (served === undefined) this.#protocols.set(protocol, served = { all: [], named: new Map() })
    const { all, named } = served
    const place = typeof where === "string" ? all : named.get(where.name) ?? []
    if (typeof where !== "string") named.set(where.name, place)
    place.push(handler)
    return () => {
      place.splice(place.lastIndexOf(handler), 1)
      if (typeof where !== "string" && place.length === 0) named.delete(where.name)
      if (all.length === 0 && named.size === 0) this.#protocols.delete(protocol)
    }
  }

  /** Hands over a stream that a peer has opened, or says that nobody serves it. */
  open(stream: MuxStream, session: Session): void {
    const { name, protocol } = stream.open
    if (this.drains() && isCall(protocol)) return stream.reset("refused", draining)
    const served = this.#protocols.get(protocol)
    const handler = served?.named.get(name)?.at(-1) ?? served?.all.at(-1)
    if (handler !== undefined) handler(stream, session)
    else if (served !== undefined) stream.reset("not_found", `nothing is called ${shown(name)} here`)
    else stream.reset("unsupported", `nothing serves ${shown(protocol)} here`)
  }
}
