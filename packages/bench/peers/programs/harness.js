/**
 * What the programs of all peers share: the questions of the benchmark, which come over Node's IPC channel, and the loop that measures.
 *
 * A program gives two functions. `serve` starts the side that answers and says its port, and whatever else the other side has to know as `hello`.
 * `connect` starts the side that asks: `call` sends a message and gives the answer, `transfer` sends so many bytes one way in chunks of 64 KiB and ends
 * when the other side has counted them.
 *
 * From one to many, `publisher` starts the side that publishes: `publish` sends a message to all, and `hello` is what the other side has to know. `subscriber`
 * starts one of the others, which calls `take` with each message.
 */
import dgram from "node:dgram"
import { readFileSync } from "node:fs"
import net from "node:net"
import { performance, PerformanceObserver } from "node:perf_hooks"
import { publishing, spread, subscribing, window } from "./spreading.js"

/** Bytes of a chunk. */
export const chunkBytes = 65_536

/** So many bytes in chunks, the same one again and again. */
export const chunks = function*(bytes, size = chunkBytes) {
  const chunk = Buffer.alloc(size, 7)
  for (let left = Math.ceil(bytes / size); left > 0; left--) yield chunk
}

/** How many bytes `chunks` has. */
export const lengthOf = (bytes, size = chunkBytes) => Math.ceil(bytes / size) * size

/** Fails where not all of it came. */
export const counted = (bytes, count, size = chunkBytes) => {
  if (Number(count) !== lengthOf(bytes, size)) throw new Error(`${count} bytes came of ${lengthOf(bytes, size)}`)
}

/**
 * Has what listens on all addresses listen on loopback alone, for libraries that cannot be told: nothing here is to be heard
 * beyond this machine.
 */
export const onlyLoopback = () => {
  const listen = net.Server.prototype.listen
  net.Server.prototype.listen = function(first, ...rest) {
    if (typeof first === "object") return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest)
    const callback = rest.find((one) => typeof one === "function")
    return listen.call(this, { port: first, host: "127.0.0.1" }, callback)
  }
  const bind = dgram.Socket.prototype.bind
  dgram.Socket.prototype.bind = function(port, _address, ...rest) {
    return bind.call(this, port, "127.255.255.255", ...rest)
  }
}

const messageOf = (bytes, text) => text === true ? "x".repeat(bytes) : Buffer.alloc(bytes, 7)

const percentile = (sorted, p) => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]

const measure = async (side, { atOnce, bytes, seconds }) => {
  const message = messageOf(bytes, side.text)
  const samples = []
  const deadline = performance.now() + seconds * 1_000
  const asker = async () => {
    let at = performance.now()
    while (at < deadline) {
      const sent = at
      const answer = await side.call(message)
      if (answer.length !== bytes) throw new Error(`the answer has ${answer.length} bytes`)
      at = performance.now()
      if (at < deadline || samples.length === 0) samples.push(at - sent)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, asker))
  const sorted = Float64Array.from(samples).sort()
  return { messages: samples.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}

let gcMillis = 0
const collections = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMillis += duration
})
collections.observe({ entryTypes: ["gc"] })

// Of a process that works for this one, as the kernel counts it: hundredths of a second.
const millisOf = (pid) => {
  if (pid === undefined) return 0
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const usage = (pid) => {
  for (const { duration } of collections.takeRecords()) gcMillis += duration
  const used = process.resourceUsage()
  const { active, idle } = performance.eventLoopUtilization()
  return {
    rssBytes: process.memoryUsage.rss(),
    cpuMillis: (used.systemCPUTime + used.userCPUTime) / 1_000 + millisOf(pid),
    gcMillis,
    idleMillis: idle,
    activeMillis: active,
    pageFaults: used.minorPageFault + used.majorPageFault,
    switches: used.voluntaryContextSwitches + used.involuntaryContextSwitches
  }
}

/** Answers the questions of the benchmark, for as long as it asks. */
export const run = ({ connect, publisher, serve, subscriber }) => {
  let side
  let helper
  let publishes
  let subscribers
  const answers = {
    Serve: async ({ subject }) => {
      helper = subject.helper
      return { crypto: "", ...await serve(subject) }
    },
    Connect: async ({ hello, port, subject }) => {
      side = await connect(subject, port, hello)
      return { crypto: "" }
    },
    // What is profiled is pnet.
    ProfileStart: async () => null,
    ProfileStop: async () => null,
    Measure: (options) => measure(side, options),
    Transfer: async ({ bytes }) => {
      const start = performance.now()
      await side.transfer(bytes)
      return { millis: performance.now() - start }
    },
    Publisher: async ({ bytes, processes, subject, subscribers }) => {
      helper = subject.helper
      const { hello, publish, text } = await publisher(subject, subscribers)
      const { pace, port } = await publishing({ bytes, processes, text, window })
      publishes = (options) => spread(publish, pace(options))
      return { port, window, hello }
    },
    Subscribers: async ({ count, first, hello, port, process, subject, window }) => {
      subscribers = subscribing({ count, port, process, window })
      const start = (_, i) => subscriber(subject, hello, first + i, (message) => subscribers.take(i, message))
      await Promise.all(Array.from({ length: count }, start))
      return null
    },
    Publish: (options) => publishes(options),
    Received: () => subscribers.received(),
    Usage: () => usage(helper)
  }
  process.on("message", async ({ call, id, payload }) => {
    try {
      process.send({ id, ok: true, result: await answers[call](payload) })
    } catch (error) {
      process.send({ id, ok: false, error: error?.stack ?? `${error}` })
    }
  })
  process.once("disconnect", () => process.exit(0))
}
