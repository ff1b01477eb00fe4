/**
 * What nodes are compared with: the least that a program on `node:net` does to ask and be answered. A request and an
 * answer are 32 bits of length and that many bytes, and any number of requests may be on their way.
 *
 * There are two ways of writing. Plainly, each message is a write of its own, as such programs are usually written. Batched,
 * whatever a turn has to say leaves as one write, as in pnet; with many messages at once that is several times faster.
 *
 * Sealed, there are secretboxes in between. `fresh`: one a message under a fresh nonce that travels with it, like the box
 * inside RAW. `message` and `batch`: one a message, or one a write, under a nonce that both sides count, like a session's;
 * sealed where it is sent from and opened where it was received.
 */
import type { Boxer, Crypto, SharedKey } from "@pnet/core/Crypto"
import { boxOverhead, nonceLength } from "@pnet/core/Crypto"
import type { Server, Socket } from "node:net"
import { Samples } from "./samples.ts"
import * as Sockets from "./sockets.ts"

/** How the messages of a raw echo are sealed. */
export interface Sealing {
  readonly kind: "fresh" | "message" | "batch"
  readonly crypto: Crypto["Service"]
  readonly key: SharedKey
}

/** How a raw echo is made; the same on both sides. */
export interface Options {
  readonly batched: boolean
  readonly sealing: Sealing | undefined
  /** Over TLS, with this certificate, where there is one. */
  readonly tls?: Sockets.Certificate | undefined
}

const now = () => performance.now()

const headLength = 4

/** Takes frames out of chunks. */
class Frames {
  private rest: Buffer = Buffer.alloc(0)

  push(chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    let offset = 0
    while (bytes.length - offset >= headLength) {
      const end = offset + headLength + bytes.readUInt32BE(offset)
      if (end > bytes.length) break
      onFrame(bytes.subarray(offset + headLength, end))
      offset = end
    }
    this.rest = bytes.subarray(offset)
  }
}

/** Writes frames, each at once or all of a turn together. */
class Outbox {
  private readonly socket: Socket
  private readonly batched: boolean
  private readonly sealing: "message" | "batch" | undefined
  private readonly box: CountedBox | undefined
  private frames: Array<Uint8Array> = []
  private length = 0

  constructor(socket: Socket, batched: boolean, sealing: Sealing | undefined, direction: Direction) {
    this.socket = socket
    this.batched = batched
    if (sealing !== undefined && sealing.kind !== "fresh") {
      this.sealing = sealing.kind
      this.box = new CountedBox(sealing, direction)
    }
  }

  add(frame: Uint8Array): void {
    this.frames.push(frame)
    this.length += headLength + frame.length
    if (!this.batched) this.flush()
  }

  /** The turn is over. */
  flush(): void {
    if (this.frames.length === 0) return
    const { box, sealing } = this
    const head = sealing === "batch" ? headLength + boxOverhead : 0
    const each = sealing === "message" ? boxOverhead : 0
    const out = Buffer.allocUnsafe(head + this.length + each * this.frames.length)
    let offset = head
    for (const frame of this.frames) {
      offset = out.writeUInt32BE(frame.length + each, offset)
      if (sealing === "message") box!.seal(out.subarray(offset, offset + boxOverhead + frame.length), frame)
      else out.set(frame, offset)
      offset += frame.length + each
    }
    if (sealing === "batch") {
      out.writeUInt32BE(out.length - headLength)
      box!.seal(out.subarray(headLength), out.subarray(head))
    }
    this.frames = []
    this.length = 0
    this.socket.write(out)
  }
}

type Direction = "asking" | "answering"

/** Boxes of one direction, under nonces that count. */
class CountedBox {
  private readonly boxer: Boxer
  private readonly nonce = new Uint8Array(nonceLength)
  private readonly view = new DataView(this.nonce.buffer)
  private count = 0

  constructor({ crypto, key }: Sealing, direction: Direction) {
    this.boxer = crypto.boxer(key)
    this.nonce[0] = direction === "asking" ? 1 : 2
  }

  seal(out: Uint8Array, message: Uint8Array): void {
    this.view.setUint32(20, ++this.count)
    this.boxer.sealInto(out, message, this.nonce)
  }

  /** In place: the message is a view into the box. */
  open(box: Uint8Array): Uint8Array {
    this.view.setUint32(20, ++this.count)
    const message = box.subarray(boxOverhead)
    if (!this.boxer.openInto(message, box, this.nonce)) throw new Error("a box of the raw echo does not open")
    return message
  }
}

/** Takes messages out of chunks. */
const reader = (
  sealing: Sealing | undefined,
  direction: Direction,
  open: (frame: Uint8Array) => Uint8Array,
  onMessage: (message: Uint8Array) => void
): (chunk: Buffer) => void => {
  const frames = new Frames()
  if (sealing === undefined || sealing.kind === "fresh") {
    return (chunk) => frames.push(chunk, (frame) => onMessage(open(frame)))
  }
  const box = new CountedBox(sealing, direction)
  if (sealing.kind === "message") return (chunk) => frames.push(chunk, (frame) => onMessage(box.open(frame)))
  const onBatch = (frame: Buffer) => {
    const inner = new Frames()
    inner.push(box.open(frame) as Buffer, onMessage)
  }
  return (chunk) => frames.push(chunk, onBatch)
}

interface Codec {
  readonly seal: (message: Uint8Array) => Uint8Array
  readonly open: (frame: Uint8Array) => Uint8Array
}

const codec = (sealing: Sealing | undefined): Codec => {
  if (sealing?.kind !== "fresh") return { seal: (message) => message, open: (frame) => frame }
  const { crypto, key } = sealing
  return {
    seal: (message) => {
      const nonce = crypto.randomBytes(nonceLength)
      const box = crypto.seal(key, nonce, message)
      const frame = new Uint8Array(nonceLength + box.length)
      frame.set(nonce)
      frame.set(box, nonceLength)
      return frame
    },
    open: (frame) => {
      const message = crypto.open(key, frame.subarray(0, nonceLength), frame.subarray(nonceLength))
      if (message === undefined) throw new Error("a box of the raw echo does not open")
      return message
    }
  }
}

/** Answers every message with itself, on a free port of loopback. */
export const serve = ({ batched, sealing, tls }: Options): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = Sockets.serve(tls, (socket) => {
      const out = new Outbox(socket, batched, sealing, "answering")
      const { open, seal } = codec(sealing)
      const read = reader(sealing, "asking", open, (message) => out.add(seal(message)))
      socket.on("data", (chunk) => {
        read(chunk)
        out.flush()
      })
      socket.on("error", () => socket.destroy())
    })
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

/** The asking side of a raw echo. */
export interface Client {
  /** Keeps `atOnce` messages on their way for so long, and gives the latencies of those that were answered in that time, or of the first. */
  readonly measure: (options: {
    readonly message: Uint8Array
    readonly atOnce: number
    readonly seconds: number
  }) => Promise<Samples>
}

/** Connects to a raw echo. */
export const connect = (port: number, { batched, sealing, tls }: Options): Promise<Client> =>
  new Promise((resolve, reject) => {
    const socket = Sockets.connect(port, tls, () => resolve({ measure }))
    socket.once("error", reject)
    const out = new Outbox(socket, batched, sealing, "asking")
    const { open, seal } = codec(sealing)
    let onAnswer: (answer: Uint8Array) => void = () => {}
    const read = reader(sealing, "answering", open, (answer) => onAnswer(answer))
    socket.on("data", (chunk) => {
      read(chunk)
      out.flush()
    })
    const measure: Client["measure"] = ({ atOnce, message, seconds }) =>
      new Promise((resolve, reject) => {
        const samples = new Samples()
        // Answers come in order: a ring of the times at which the open requests were sent.
        const sentAt = new Float64Array(atOnce)
        let next = 0
        let waiting = 0
        const deadline = now() + seconds * 1_000
        const send = (at: number) => {
          sentAt[(next + waiting) % atOnce] = at
          waiting++
          out.add(seal(message))
        }
        onAnswer = (answer) => {
          const at = now()
          if (answer.length !== message.length) return reject(new Error(`the echo has ${answer.length} bytes`))
          const sent = sentAt[next]!
          next = (next + 1) % atOnce
          waiting--
          if (at < deadline || samples.size === 0) samples.push(at - sent)
          if (at < deadline) send(at)
          else if (waiting === 0) resolve(samples)
        }
        for (let i = 0; i < atOnce; i++) send(now())
        out.flush()
      })
  })
