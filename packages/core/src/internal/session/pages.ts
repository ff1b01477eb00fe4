/**
 * Where messages are put together, sealed, and written from: taken for one message, and given back once the connection has
 * taken its bytes. Memory made anew for each is what bulk would spend most of its time on, in the garbage collector.
 */
import * as Packet from "../../Packet.ts"

/** Room for the length of a record, in front of its message. */
export const recordHeader = 4

export class Page {
  readonly bytes = new Uint8Array(recordHeader + Packet.maxStreamLength)
  readonly view = new DataView(this.bytes.buffer)
}

// Shared by all sessions. Those that write at once need one each; of these so many are kept.
const pages: Array<Page> = []
const keptPages = 4
export const takePage = (): Page => pages.pop() ?? new Page()
export const givePage = (page: Page): void => {
  if (pages.length < keptPages) pages.push(page)
}
