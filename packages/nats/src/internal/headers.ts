/**
 * Headers of messages, which the client of NATS reads where it needs them: of the server's answers, of what is in a bucket, of a subject that nobody hears.
 *
 * What bites: headers that are none, which anybody may send to where he may publish, are an error to it in the midst of reading, and it reads nothing more
 * of that connection. It has no place to say what is to become of them, so they are looked at where its messages come from.
 */
import { headers, type NatsConnection } from "@nats-io/nats-core"
import * as Result from "effect/Result"

/** A message as the client has it: of so many bytes of headers, or -1, before its data. */
interface Taken {
  readonly hdr: number
}

/** What the client has inside. */
interface Inside {
  readonly protocol?: { processMsg?: (message: Taken, data: Uint8Array) => void }
}

const { decode } = headers().constructor as unknown as { readonly decode: (bytes: Uint8Array) => unknown }

// Those of the server are some hundred bytes in a dozen lines. The client compares each line with all before it: 4 KiB of short ones took it 7 ms, and
// a megabyte minutes.
const mostBytes = 4_096
const mostLines = 64

const lineFeed = 0x0a

const hasFewLines = (bytes: Uint8Array): boolean => {
  let lines = 0
  for (const byte of bytes) if (byte === lineFeed && ++lines > mostLines) return false
  return true
}

const isReadable = (bytes: Uint8Array): boolean =>
  bytes.length <= mostBytes && hasFewLines(bytes) && Result.isSuccess(Result.try(() => decode(bytes)))

/** Has a client take messages whose headers cannot be read as such that have none. */
export const tolerated = (client: NatsConnection): NatsConnection => {
  const { protocol } = client as unknown as Inside
  const take = protocol?.processMsg
  if (protocol === undefined || take === undefined) return client
  protocol.processMsg = (message, data) =>
    message.hdr < 0 || isReadable(data.subarray(0, message.hdr))
      ? take.call(protocol, message, data)
      : take.call(protocol, { ...message, hdr: -1 }, data.subarray(message.hdr))
  return client
}
