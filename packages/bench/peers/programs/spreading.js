/**
 * From one to many: what the publisher and the subscribers do in every measurement, whichever library carries the messages. pnet's side uses it, too.
 *
 * A message says when it was published, by the machine's own clock, and which it is. Each process of subscribers says over a socket of its own, and not by
 * what is measured, how far the slowest of them is; so the publisher never has more than a window of messages on their way, and nobody is given more than
 * libraries hold for one who is slow.
 */
import net from "node:net"
import { performance } from "node:perf_hooks"

/** Messages that are published and not yet with all subscribers, at most: half of what ZeroMQ holds for each by default. */
export const window = 512

// How far the slowest is, is said after a quarter of a window, and after so many milliseconds where fewer came.
const pause = 20

const offset = Number(process.hrtime.bigint()) / 1e3 - performance.now() * 1e3

/** The machine's monotonic clock in microseconds, which all its processes share. */
export const instant = () => performance.now() * 1e3 + offset

/** A message of so many bytes, or a text as long. */
export const formats = {
  bytes: (length) => {
    const rest = Buffer.alloc(length, 7)
    return (at, seq) => {
      const message = Buffer.from(rest)
      message.writeDoubleLE(at, 0)
      message.writeUInt32LE(seq, 8)
      return message
    }
  },
  text: (length) => {
    const rest = "x".repeat(length - 26)
    return (at, seq) => `${Math.floor(at)}`.padStart(16, "0") + `${seq}`.padStart(10, "0") + rest
  }
}

/** When a message was published, and which it is. */
export const read = (message) => {
  if (typeof message === "string") return { at: Number(message.slice(0, 16)), seq: Number(message.slice(16, 26)) }
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  return { at: view.getFloat64(0, true), seq: view.getUint32(8, true) }
}

// A power of two and 128 steps to the next: each is at most one percent longer than the one before.
const bucketOf = (micros) => {
  const whole = Math.max(1, micros | 0)
  const power = 31 - Math.clz32(whole)
  return power << 7 | (power > 7 ? whole >> power - 7 : whole << 7 - power) & 127
}

const microsOf = (bucket) => 2 ** (bucket >> 7) * (1 + (bucket & 127) / 128)

/** The time in milliseconds within which the share `p` of all came, of how many came within which; 0 where none did. */
export const percentile = (buckets, p) => {
  const sorted = buckets.toSorted(([a], [b]) => a - b)
  let left = p * sorted.reduce((sum, [, count]) => sum + count, 0)
  for (const [bucket, count] of sorted) {
    left -= count
    if (left <= 0) return microsOf(bucket) / 1e3
  }
  return 0
}

/** Some subscribers in one process. `take` is a message that came to one of them. */
export const subscribing = ({ count, port, process: number, window }) => {
  const step = Math.ceil(window / 4)
  const latest = new Float64Array(count)
  // How far the slowest is, how many are as far as that, and how far it was when it was said.
  let slowest = 0
  let behind = count
  let said = 0
  let received = 0
  const latencies = new Uint32Array(32 << 7)
  const socket = net.connect({ host: "127.0.0.1", port, noDelay: true })
  socket.on("error", () => socket.destroy())
  const say = () => {
    said = slowest
    const record = Buffer.allocUnsafe(8)
    record.writeUInt32BE(number, 0)
    record.writeUInt32BE(slowest, 4)
    socket.write(record)
  }
  setInterval(() => slowest > said && say(), pause).unref()
  return {
    take: (subscriber, message) => {
      const { at, seq } = read(message)
      received++
      latencies[bucketOf(instant() - at)]++
      const before = latest[subscriber]
      if (seq <= before) return
      latest[subscriber] = seq
      if (before > slowest || --behind > 0) return
      slowest = Math.min(...latest)
      behind = latest.reduce((sum, one) => one === slowest ? sum + 1 : sum, 0)
      if (slowest - said >= step) say()
    },
    /** What came since this was asked for the last time. */
    received: () => {
      const result = { received, latencies: [...latencies.entries()].filter(([, count]) => count > 0) }
      received = 0
      latencies.fill(0)
      return result
    }
  }
}

/** Messages are published for so long, as fast as they come or so many a second, or, probing, until all have had one. */
class Pace {
  #side
  #options
  #began = instant()
  #first
  #slowest
  // When the slowest was heard of, and how far it was when it was in time.
  #heard = this.#began
  #sent = this.#began
  #inTime

  constructor(side, options) {
    this.#side = side
    this.#options = options
    this.#first = side.seq
    // What is still on its way is nothing of this.
    side.lost = side.seq
    this.#slowest = side.slowest(options.among)
  }

  #look() {
    const { among, seconds } = this.#options
    const now = instant()
    const slowest = this.#side.slowest(among)
    const passed = (now - this.#began) / 1e6
    if (slowest !== this.#slowest) {
      this.#slowest = slowest
      this.#heard = now
      if (passed <= seconds && slowest > this.#first) {
        this.#inTime = { count: slowest - this.#first, millis: passed * 1e3 }
      }
    }
    return { now, passed, slowest, ended: passed >= seconds }
  }

  /** How many may be published now. */
  due() {
    const { perSecond, probing } = this.#options
    const { ended, passed, slowest } = this.#look()
    if (ended || probing === true && slowest > this.#first) return 0
    const free = probing === true ? 1 : this.#side.window - (this.#side.seq - Math.max(slowest, this.#side.lost))
    const due = perSecond === null ? free : Math.ceil(passed * perSecond) - (this.#side.seq - this.#first)
    return Math.max(0, Math.min(free, due))
  }

  /** The next of them. */
  next() {
    this.#sent = instant()
    return this.#side.make(this.#sent, ++this.#side.seq)
  }

  #over() {
    const { ended, now, slowest } = this.#look()
    if (this.#options.probing === true) return ended || slowest > this.#first
    if (ended && slowest >= this.#side.seq) return true
    if (now - Math.max(this.#heard, this.#sent) < this.#side.patience * 1e3) return false
    // What is missing will not come: there is room again.
    this.#side.lost = this.#side.seq
    this.#heard = now
    return ended
  }

  /** Waits until more may be published; false when it is over. */
  async wait() {
    if (this.#over()) return false
    await this.#side.change(this.#options.perSecond === null ? pause : 1)
    return !this.#over()
  }

  /** How many were published; and how many all had within the time, and when. */
  result() {
    const { passed, slowest } = this.#look()
    const late = { count: Math.max(0, slowest - this.#first), millis: passed * 1e3 }
    return { published: this.#side.seq - this.#first, ...this.#inTime ?? late }
  }
}

/**
 * The publisher of so many processes of subscribers: the port to say progress to, and paces to publish at. After so many milliseconds with nothing said, what
 * is missing is lost.
 */
export const publishing = ({ bytes, patience = 2_000, processes, text, window }) =>
  new Promise((resolve, reject) => {
    const progress = Array.from({ length: processes }, () => 0)
    let changed = () => {}
    const side = {
      seq: 0,
      lost: 0,
      patience,
      window,
      make: formats[text === true ? "text" : "bytes"](bytes),
      slowest: (among) => Math.min(...among.map((process) => progress[process])),
      change: (millis) =>
        new Promise((resume) => {
          const timer = setTimeout(resume, millis)
          changed = () => {
            clearTimeout(timer)
            resume()
          }
        })
    }
    const server = net.createServer({ noDelay: true }, (socket) => {
      let rest = Buffer.alloc(0)
      socket.on("error", () => socket.destroy())
      socket.on("data", (chunk) => {
        const all = Buffer.concat([rest, chunk])
        const whole = all.length - all.length % 8
        for (let i = 0; i < whole; i += 8) progress[all.readUInt32BE(i)] = all.readUInt32BE(i + 4)
        rest = all.subarray(whole)
        changed()
      })
    })
    server.once("error", reject)
    server.listen({ port: 0, host: "127.0.0.1" }, () =>
      resolve({
        port: server.address().port,
        pace: (options) => new Pace(side, options),
        close: () => server.close()
      }))
  })

/** Publishes at a pace, with a function that publishes one message and may have to be waited for. */
export const spread = async (publish, pace) => {
  do {
    for (let due = pace.due(); due > 0; due--) {
      const sent = publish(pace.next())
      if (sent !== undefined) await sent
    }
  } while (await pace.wait())
  return pace.result()
}
