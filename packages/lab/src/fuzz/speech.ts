/**
 * What a peer with a key says in a session: frames, calls and answers of the corpus, altered, cut short, or with other lengths than
 * they have.
 */
import { Frame } from "@pnet/core"
import { frame } from "../worlds/sessionWorld.ts"
import { corpus } from "./corpus.ts"
import * as Mutate from "./mutate.ts"
import { frameMutator } from "./targets/frames.ts"
import { calls } from "./targets/rpc.ts"

const { concat, readU32, u32 } = Mutate
const { Kind } = Frame

/** The bytes of a folder of the corpus. */
export const bytesOf = (folder: string): ReadonlyArray<Uint8Array> => corpus(folder).map(({ bytes }) => bytes)

/** The frames of one message, and its type. */
export type Message = readonly [type: 0 | 1 | 2, frames: Uint8Array]

export class Speech {
  /** The stream that is spoken of. */
  stream = 0
  readonly frames = bytesOf("frames")
  readonly #random: Mutate.Chance
  readonly #requests = bytesOf("command-request")
  readonly #replies = bytesOf("command-reply")
  readonly #rpcRequests = bytesOf("rpc-request")
  readonly #rpcLines = bytesOf("rpc-json-request")
  readonly #rpcPayloads = bytesOf("rpc-payload")
  readonly #rpcAnswers = [bytesOf("rpc-success"), bytesOf("rpc-exit"), bytesOf("rpc-chunk")]

  constructor(random: Mutate.Chance) {
    this.#random = random
  }

  /** The next messages of a session. */
  messages(): ReadonlyArray<Message> {
    switch (this.#random.below(4)) {
      case 0:
        return this.#file()
      case 1:
        return this.#command()
      case 2:
        return this.#rpc()
      default:
        return this.#nonsense()
    }
  }

  /** What ends a call of a protocol that was heard, as the frames of its stream. */
  reply(protocol: string): ReadonlyArray<Uint8Array> {
    const said = [...this.#data(this.#answer(protocol)), ...this.#end()]
    if (this.#random.chance(0.15)) said.push(frame(Kind.reset, this.stream, this.#answer("command")))
    return said
  }

  // --- messages ----------------------------------------------------------------------------------------------------------------

  /** A file of frames, its messages altered one by one. */
  #file(): ReadonlyArray<Message> {
    const random = this.#random
    const file = random.pick(this.frames)
    const out: Array<Message> = []
    for (let at = 0; at + 5 <= file.length && out.length < 6;) {
      const next = at + 5 + readU32(file, at + 1)
      const whole = file.subarray(at + 5, next)
      const type = Math.min(2, random.chance(0.9) ? file[at]! : random.below(3)) as 0 | 1 | 2
      out.push([type, random.chance(0.5) ? frameMutator(random, whole, this.frames) : whole])
      at = next
    }
    return out
  }

  #command(): ReadonlyArray<Message> {
    const body = this.#altered(this.#requests, Mutate.json, Mutate.json)
    return [this.#opening("command", "handle"), ...this.#data(body), ...this.#end()].map((each) => [0, each])
  }

  /** A request whose payload is altered, or a request that is, with the length that it has or another; now and then a line. */
  #rpc(): ReadonlyArray<Message> {
    const random = this.#random
    const name = random.pick(Object.keys(calls))
    if (random.chance(0.3)) {
      const line = this.#altered(this.#rpcLines, Mutate.json, Mutate.blind)
      return [this.#opening("rpc-json", name), ...this.#data(line), ...this.#end()].map((each) => [0, each])
    }
    const payload = this.#altered(this.#rpcPayloads, Mutate.blind).subarray(1)
    const body = random.chance(0.5)
      ? concat(random.pick(this.#rpcRequests).subarray(0, 11), payload)
      : this.#altered(this.#rpcRequests, Mutate.blind)
    const length = random.chance(0.85) ? body.length : random.pick(Mutate.limits)
    const data = concat(u32(length), body)
    return [this.#opening("rpc", name), ...this.#data(data), ...this.#end()].map((each) => [0, each])
  }

  #nonsense(): ReadonlyArray<Message> {
    const random = this.#random
    return [[
      0,
      concat(
        this.#opening(
          random.pick(["command", "rpc", "rpc-json", "socket", "x"]),
          random.pick(["upper", "", "handle", "x".repeat(500)])
        ),
        ...this.#data(random.bytes(random.below(3_000))),
        ...this.#end()
      )
    ]]
  }

  // --- their parts -------------------------------------------------------------------------------------------------------------

  #altered(pool: ReadonlyArray<Uint8Array>, ...ways: ReadonlyArray<Mutate.Mutate>): Uint8Array {
    const random = this.#random
    return random.chance(0.15) ? random.pick(pool) : Mutate.any(...ways)(random, random.pick(pool), pool)
  }

  #opening(protocol: string, name: string): Uint8Array {
    const random = this.#random
    return frame(
      Kind.open,
      this.stream += random.pick([1, 1, 1, 3]),
      JSON.stringify({ protocol, name, ...(random.chance(0.2) ? { deadline: random.pick([1, 100, 5_000]) } : {}) })
    )
  }

  /** The DATA of the stream, cut into frames. */
  #data(bytes: Uint8Array): ReadonlyArray<Uint8Array> {
    const random = this.#random
    const out: Array<Uint8Array> = []
    for (let at = 0; at < bytes.length && out.length < 30;) {
      const end = Math.min(bytes.length, at + 1 + random.below(random.pick([10, 5_000, 90_000])))
      out.push(frame(Kind.data, this.stream, bytes.subarray(at, end)))
      at = end
    }
    return out
  }

  #end(): ReadonlyArray<Uint8Array> {
    return this.#random.chance(0.8) ? [frame(Kind.end, this.stream)] : []
  }

  #answer(protocol: string): Uint8Array {
    const random = this.#random
    if (protocol === "command") return this.#altered(this.#replies, Mutate.json, Mutate.blind)
    const kind = random.below(6)
    const body = this.#altered(random.pick(this.#rpcAnswers), Mutate.blind).subarray(1)
    const lengths = kind === 2 || kind >= 4
    return concat(
      Uint8Array.of(kind),
      lengths ? u32(random.chance(0.8) ? body.length : random.pick(Mutate.limits)) : new Uint8Array(0),
      body
    )
  }
}
