/**
 * MESSAGE, the command that carries everything after the handshake (protocol section 4, RFC 26):
 *
 *     MESSAGE = %x07 "MESSAGE" nonce[8] box[flags[1] payload](C'->S' or S'->C')
 *
 * One `MessageBox` is one side of a session. It counts both directions' nonces, so a command that was repeated, left out,
 * reordered or sent back to its sender does not open.
 *
 * What bites: after the first command that does not open the session is over; go on, and the peer can probe. `openInPlace`
 * overwrites the command it is given.
 */
import * as Redacted from "effect/Redacted"
import { type Boxer, boxOverhead, type Crypto, nonceLength } from "../../Crypto.ts"
import type { Established } from "../../Handshake.ts"
import { startsWith } from "../base/bytes.ts"
import { utf8 } from "../base/platform.ts"

/** The type of the packet: 0 `msg`, 1 `rsp`, 2 `err`. */
export type Flags = 0 | 1 | 2

/** What a MESSAGE holds. */
export interface Opened {
  readonly flags: Flags
  /** A view into what `open` allocated, or into the command after `openInPlace`. */
  readonly payload: Uint8Array
}

/** Why a command is a violation; for the log alone. */
export type Violation = "not a MESSAGE" | "nonce" | "box" | "flags"

const name = utf8("\u0007MESSAGE")
const nonceAt = name.length
const boxAt = nonceAt + 8
const flagsAt = boxAt + boxOverhead

/** Bytes that a MESSAGE is longer than its payload: 33. */
export const overhead = flagsAt + 1

/** Whether a command is a MESSAGE by its name. */
export const isMessage = (command: Uint8Array): boolean => startsWith(command, name)

/** A direction's nonce: its prefix, and a count that goes up by one. The bytes are written in place. */
class Nonce {
  readonly bytes = new Uint8Array(nonceLength)
  private readonly view = new DataView(this.bytes.buffer)
  next: number

  constructor(prefix: string, next: number) {
    this.bytes.set(utf8(prefix))
    this.next = next
    this.write()
  }

  /** Exact up to 2^53, which a connection does not live to see: it is renewed at 2^32. */
  advance() {
    this.next++
    this.write()
  }

  private write() {
    this.view.setUint32(16, Math.floor(this.next / 0x1_0000_0000))
    this.view.setUint32(20, this.next >>> 0)
  }
}

const clientPrefix = "CurveZMQMESSAGEC"
const serverPrefix = "CurveZMQMESSAGES"

/** Seals and opens the MESSAGEs of one side of a session. */
export class MessageBox {
  private readonly boxer: Boxer
  private readonly sending: Nonce
  private readonly receiving: Nonce
  private readonly key: Established["sharedKey"]
  private closed = false

  constructor(
    crypto: Crypto["Service"],
    established: Pick<Established, "role" | "sharedKey" | "sendNonce" | "recvNonce">
  ) {
    const [mine, theirs] = established.role === "client" ? [clientPrefix, serverPrefix] : [serverPrefix, clientPrefix]
    this.key = established.sharedKey
    this.boxer = crypto.boxer(established.sharedKey)
    this.sending = new Nonce(mine, established.sendNonce)
    this.receiving = new Nonce(theirs, established.recvNonce)
  }

  /** Commands that this side has sent, the handshake's counted: renewal is due at 90 % of 2^32. */
  get sent(): number {
    return this.sending.next - 1
  }

  /** Commands that the peer has sent, the handshake's counted. */
  get received(): number {
    return this.receiving.next - 1
  }

  /**
   * The next MESSAGE, whose payload is the parts joined. `headroom` bytes, zero, come before the command, for a length that
   * the caller writes there. Throws on a box that was closed.
   */
  seal(flags: Flags, parts: ReadonlyArray<Uint8Array>, headroom = 0): Uint8Array {
    let length = headroom + overhead
    for (let i = 0; i < parts.length; i++) length += parts[i]!.length
    const out = new Uint8Array(length)
    let offset = headroom + overhead
    for (let i = 0; i < parts.length; i++) {
      out.set(parts[i]!, offset)
      offset += parts[i]!.length
    }
    this.sealInPlace(flags, out, headroom, length)
    return out
  }

  /**
   * `seal` without a copy: makes the next MESSAGE of the bytes from `at` to `end`, whose payload stands there already,
   * `overhead` bytes behind `at`.
   */
  sealInPlace(flags: Flags, out: Uint8Array, at: number, end: number): void {
    if (this.closed) throw new Error("a MESSAGE was to be sealed after its session had ended")
    out.set(name, at)
    const nonce = this.sending.bytes
    for (let i = 0; i < 8; i++) out[at + nonceAt + i] = nonce[16 + i]!
    out[at + flagsAt] = flags
    this.boxer.sealInto(out.subarray(at + boxAt, end), out.subarray(at + flagsAt, end), nonce)
    this.sending.advance()
  }

  /** Opens the peer's next MESSAGE, or says why it is a violation. The command's bytes stay as they are. */
  open(command: Uint8Array): Opened | Violation {
    return this.openTo(command, undefined)
  }

  /** `open` without a copy: the payload replaces the box in the command, which the caller must own. */
  openInPlace(command: Uint8Array): Opened | Violation {
    return this.openTo(command, command)
  }

  /** Wipes the key. After it nothing can be sealed, and nothing opens. */
  close(): void {
    this.closed = true
    Redacted.value(this.key).fill(0)
  }

  private openTo(command: Uint8Array, own: Uint8Array | undefined): Opened | Violation {
    if (command.length < overhead || !isMessage(command)) return "not a MESSAGE"
    const nonce = this.receiving.bytes
    for (let i = 0; i < 8; i++) if (command[nonceAt + i] !== nonce[16 + i]) return "nonce"
    const box = command.subarray(boxAt)
    const plain = own === undefined ? new Uint8Array(box.length - boxOverhead) : own.subarray(flagsAt)
    if (this.closed || !this.boxer.openInto(plain, box, nonce)) return "box"
    this.receiving.advance()
    const flags = plain[0]!
    if (flags !== 0 && flags !== 1 && flags !== 2) return "flags"
    return { flags, payload: plain.subarray(1) }
  }
}
