/**
 * js-libp2p over TCP with Noise and Yamux. Calls: a stream each, as protocols of request and answer are written for it, or all on one stream with a length
 * before each message, whose answers come in order. Bulk: one stream, whose writer waits where `send` says so.
 */
import { noise } from "@libp2p/noise"
import { tcp } from "@libp2p/tcp"
import { yamux } from "@libp2p/yamux"
import { multiaddr } from "@multiformats/multiaddr"
import * as lp from "it-length-prefixed"
import { createLibp2p } from "libp2p"
import { chunks, counted, run } from "./harness.js"

const node = () =>
  createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // It closes where nobody answers for some seconds, and processes stand still here while others are measured.
    connectionMonitor: { enabled: false },
    // A hundred calls at once are not an attack here.
    connectionManager: { maxIncomingPendingConnections: 1_000 }
  })

const many = { maxInboundStreams: 1_024, maxOutboundStreams: 1_024 }

const bytesOf = (message) => message.subarray()

const send = async (stream, bytes) => {
  if (!stream.send(bytes)) await stream.onDrain()
}

const all = async (stream) => {
  const parts = []
  for await (const part of stream) parts.push(bytesOf(part))
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

run({
  serve: async () => {
    const server = await node()
    await server.handle("/bench/call/1", async (stream) => {
      stream.send(await all(stream))
      await stream.close()
    }, many)
    await server.handle("/bench/calls/1", async (stream) => {
      for await (const message of lp.decode(stream)) await send(stream, lp.encode.single(message))
    })
    await server.handle("/bench/sink/1", async (stream) => {
      let count = 0
      for await (const part of stream) count += part.byteLength
      stream.send(new TextEncoder().encode(`${count}`))
      await stream.close()
    })
    return { port: 0, hello: server.getMultiaddrs()[0].toString() }
  },

  connect: async ({ oneStream }, _port, address) => {
    const client = await node()
    const connection = await client.dial(multiaddr(address))
    const each = async (message) => {
      const stream = await connection.newStream("/bench/call/1", many)
      stream.send(message)
      await stream.close()
      return await all(stream)
    }
    const transfer = async (bytes) => {
      const stream = await connection.newStream("/bench/sink/1")
      for (const chunk of chunks(bytes)) await send(stream, chunk)
      await stream.close()
      counted(bytes, Buffer.from(await all(stream)).toString())
    }
    if (!oneStream) return { call: each, transfer }
    const stream = await connection.newStream("/bench/calls/1")
    const open = []
    const read = async () => {
      for await (const message of lp.decode(stream)) open.shift()(message)
    }
    void read()
    const call = (message) =>
      new Promise((resolve) => {
        open.push(resolve)
        stream.send(lp.encode.single(message).subarray())
      })
    // The other side agrees to the protocol with the first message, and waits for that for some seconds alone.
    await call(new Uint8Array(1))
    return { call, transfer }
  }
})
