/**
 * What bulk over AdvancedNode is compared with: the least that a program on `node:net` does to send many bytes one way.
 * Chunks of 64 KiB, and where the connection is full, a wait until it has drained. At the end the receiver answers with
 * how many bytes it counted.
 *
 * Sealed, each chunk is a secretbox of its own under a nonce that both sides count: sealed into a buffer of its own, since
 * the system may still be reading it when the next one is made, and opened where it was put together.
 */
import { type Boxer, boxOverhead, type Crypto, nonceLength, type SharedKey } from "@pnet/core/Crypto"
import { randomBytes } from "node:crypto"
import type { Server } from "node:net"
import * as Sockets from "./sockets.ts"

/** Bytes of a chunk. */
export const chunkBytes = 65_536

/** How chunks are sealed. */
export interface Sealing {
  readonly crypto: Crypto["Service"]
  readonly key: SharedKey
}

const headLength = 4
const prefixLength = 16

/** A nonce: a prefix of its connection, and a count. */
class Nonce {
  readonly bytes = new Uint8Array(nonceLength)
  private readonly view = new DataView(this.bytes.buffer)
  private count = 0

  constructor(prefix: Uint8Array) {
    this.bytes.set(prefix)
  }

  next(): Uint8Array {
    this.view.setUint32(20, ++this.count)
    return this.bytes
  }
}

/** Puts boxes together and opens them; calls back with the bytes of each. */
const opener = (boxer: Boxer, onBytes: (count: number) => void) => {
  const fixed = headLength + boxOverhead + chunkBytes
  const record = Buffer.alloc(fixed)
  const prefix = Buffer.alloc(prefixLength)
  let nonce: Nonce | undefined
  let have = 0
  return (chunk: Buffer) => {
    let offset = 0
    while (offset < chunk.length) {
      if (nonce === undefined) {
        const take = Math.min(prefixLength - have, chunk.length - offset)
        prefix.set(chunk.subarray(offset, offset + take), have)
        have += take
        offset += take
        if (have < prefixLength) return
        nonce = new Nonce(prefix)
        have = 0
        continue
      }
      const take = Math.min(fixed - have, chunk.length - offset)
      record.set(chunk.subarray(offset, offset + take), have)
      have += take
      offset += take
      if (have < fixed) return
      have = 0
      const box = record.subarray(headLength)
      if (!boxer.openInto(box.subarray(boxOverhead), box, nonce.next())) {
        throw new Error("a box of raw bulk does not open")
      }
      onBytes(chunkBytes)
    }
  }
}

/** Counts what it is sent, on a free port of loopback. */
export const serve = (sealing: Sealing | undefined, tls?: Sockets.Certificate | undefined): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = Sockets.serve(tls, (socket) => {
      let count = 0
      const add = (bytes: number) => {
        count += bytes
      }
      const take = sealing === undefined
        ? (chunk: Buffer) => add(chunk.length)
        : opener(sealing.crypto.boxer(sealing.key), add)
      socket.on("data", take)
      socket.once("end", () => socket.end(`${count}`))
      socket.on("error", () => socket.destroy())
    })
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

/** Sends so many bytes over a connection of its own, and waits until they were counted. */
export const transfer = (
  port: number,
  bytes: number,
  sealing: Sealing | undefined,
  tls?: Sockets.Certificate | undefined
): Promise<void> =>
  new Promise((resolve, reject) => {
    const chunk = new Uint8Array(chunkBytes).fill(7)
    let left = Math.ceil(bytes / chunkBytes)
    const expected = left * chunkBytes
    const boxer = sealing?.crypto.boxer(sealing.key)
    const prefix = randomBytes(prefixLength)
    const nonce = new Nonce(prefix)
    const next = (): Uint8Array => {
      if (boxer === undefined) return chunk
      const record = Buffer.allocUnsafe(headLength + boxOverhead + chunkBytes)
      record.writeUInt32BE(record.length - headLength)
      boxer.sealInto(record.subarray(headLength), chunk, nonce.next())
      return record
    }
    const pump = () => {
      while (left > 0) {
        left--
        if (!socket.write(next())) {
          socket.once("drain", pump)
          return
        }
      }
      socket.end()
    }
    let answer = ""
    const socket = Sockets.connect(port, tls, () => {
      if (boxer !== undefined) socket.write(prefix)
      pump()
    })
    socket.once("error", reject)
    socket.on("data", (chunk) => {
      answer += chunk.toString()
    })
    socket.once("end", () => {
      if (answer === `${expected}`) resolve()
      else reject(new Error(`${answer} bytes came of ${expected}`))
    })
  })
