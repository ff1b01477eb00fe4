/**
 * The handshake of RFC 26/CURVEZMQ, as libzmq 4.3 sends it, and nothing else: what the metadata says is for the caller, who
 * gives a function that reads it. `Handshake` is this with pnet's properties; a test is this with libzmq's.
 *
 * C, S are the long-term keys, C', S' the short-term ones of this connection; K(secret->public) is crypto_box_beforenm.
 *
 *     HELLO    (200) %x05 "HELLO"    version[2] zeros[72] C'[32] nonce[8] box[zeros[64]](C'->S)
 *     WELCOME  (168) %x07 "WELCOME"  nonce[16] box[S'[32] cookie[96]](S->C')
 *     cookie    (96)                 nonce[16] secretbox[C'[32] s'[32]](cookie key)
 *     INITIATE (257+) %x08 "INITIATE" cookie[96] nonce[8] box[C[32] vouch[96] metadata](C'->S')
 *     vouch     (96)                 nonce[16] box[C'[32] S[32]](C->S')
 *     READY     (30+) %x05 "READY"   nonce[8] box[metadata](S'->C')
 *
 * Each machine is a list of steps that are taken once, in order. A step takes the state away before it looks at a byte, so
 * whatever goes wrong leaves nothing behind, and wipes what the next step does not need. Failures are all `ERR_HANDSHAKE`,
 * with a detail for the log, save that C is not the expected one (`ERR_PUBLIC_KEY`) and what the reader of the metadata says.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { boxOverhead, type Crypto, keyLength, type KeyPair, type SharedKey } from "../../Crypto.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as PublicKey from "../../PublicKey.ts"
import * as Bytes from "../base/bytes.ts"
import { utf8 } from "../base/platform.ts"

type Answer<A> = Result.Result<A, ProtocolError.ProtocolError>

export interface Options<A> {
  readonly crypto: Crypto["Service"]
  readonly identity: KeyPair
  /** One's own metadata, encoded. */
  readonly metadata: Uint8Array
  /** What the peer's metadata means, or why it is refused. The bytes are a view: what is kept has to be copied. */
  readonly readMetadata: (metadata: Uint8Array) => Answer<A>
}

/** A peer that proved to hold `publicKey`'s secret, and its metadata. */
export interface Proved<A> {
  readonly publicKey: PublicKey.PublicKey
  readonly metadata: A
}

/** What a completed handshake leaves. */
export interface Secured<A> {
  readonly role: "client" | "server"
  readonly peer: Proved<A>
  /** K(C'->S'). */
  readonly sharedKey: SharedKey
  /** The short nonce of the next command that this side sends. */
  readonly sendNonce: number
  /** The short nonce of the next command that the peer sends. */
  readonly recvNonce: number
}

// ---------------------------------------------------------------------------------------------------------------------
// bytes
// ---------------------------------------------------------------------------------------------------------------------

const helloName = utf8("\u0005HELLO")
const welcomeName = utf8("\u0007WELCOME")
const initiateName = utf8("\u0008INITIATE")
const readyName = utf8("\u0005READY")

const helloPrefix = utf8("CurveZMQHELLO---")
const welcomePrefix = utf8("WELCOME-")
const cookiePrefix = utf8("COOKIE--")
const vouchPrefix = utf8("VOUCH---")
const initiatePrefix = utf8("CurveZMQINITIATE")
const readyPrefix = utf8("CurveZMQREADY---")

const version = Uint8Array.of(1, 0)
const zeros = new Uint8Array(72)
// The server's signature of the HELLO has 64.
const signed = zeros.subarray(0, 64)

// Short nonces count a sender's commands: the client's are HELLO, INITIATE, MESSAGE…, the server's READY, MESSAGE….
const firstNonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1)
const secondNonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2)
const clientMessages = 3
const serverMessages = 2

const longNonceLength = 16
const cookieLength = longNonceLength + 2 * keyLength + boxOverhead
const vouchLength = cookieLength

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Bytes.concat(parts)

/** Reads fields one after another; past the end they are short, so their lengths are to be checked before. */
const reader = (bytes: Uint8Array, offset: number) => ({
  take: (length: number): Uint8Array => bytes.subarray(offset, offset += length),
  rest: (): Uint8Array => bytes.subarray(offset)
})

export const isHello = (command: Uint8Array): boolean => Bytes.startsWith(command, helloName)
export const isWelcome = (command: Uint8Array): boolean => Bytes.startsWith(command, welcomeName)
export const isInitiate = (command: Uint8Array): boolean => Bytes.startsWith(command, initiateName)
export const isReady = (command: Uint8Array): boolean => Bytes.startsWith(command, readyName)

const helloLength = helloName.length + version.length + 72 + keyLength + 8 + 64 + boxOverhead
const welcomeLength = welcomeName.length + longNonceLength + keyLength + cookieLength + boxOverhead
const initiateShortest = initiateName.length + cookieLength + 8 + keyLength + vouchLength + boxOverhead
const readyShortest = readyName.length + 8 + boxOverhead

/** C' of a HELLO, as text. */
export const helloId = (command: Uint8Array): string => {
  const at = helloName.length + version.length + 72
  return PublicKey.fromBytes(command.subarray(at, at + keyLength)) ?? ""
}

const refused = (detail: string): Result.Result<never, ProtocolError.ProtocolError> =>
  Result.fail(ProtocolError.local("ERR_HANDSHAKE", detail))

/** Overwrites secrets. What the engine may have copied of them is out of reach. */
const wipe = (...secrets: ReadonlyArray<Redacted.Redacted<Uint8Array>>): void => {
  for (const secret of secrets) Redacted.value(secret).fill(0)
}

/**
 * Holds the state between two steps. `take` gives it if it is the one that the step needs, and leaves nothing; a state that
 * is taken out of turn, or dropped, is wiped.
 */
const makeSteps = <State extends { readonly step: string; readonly secrets: ReadonlyArray<SharedKey> }>(
  first: State | undefined
) => {
  let state = first
  return {
    take: <Step extends State["step"]>(step: Step): (State & { readonly step: Step }) | undefined => {
      const taken = state
      state = undefined
      if (taken === undefined) return undefined
      if (taken.step === step) return taken as State & { readonly step: Step }
      wipe(...taken.secrets)
      return undefined
    },
    put: (next: State) => {
      state = next
    },
    drop: () => {
      if (state !== undefined) wipe(...state.secrets)
      state = undefined
    }
  }
}

const outOfTurn = (method: string): Error =>
  new Error(`a handshake's ${method}() was called out of turn; each is called once, and none after a failure`)

// ---------------------------------------------------------------------------------------------------------------------
// client
// ---------------------------------------------------------------------------------------------------------------------

export interface Client<A> {
  readonly hello: () => Uint8Array
  readonly welcome: (command: Uint8Array) => Answer<Uint8Array>
  readonly ready: (command: Uint8Array) => Answer<Secured<A>>
  readonly close: () => void
}

type ClientState =
  | { readonly step: "hello"; readonly secrets: readonly [] }
  | {
    readonly step: "welcome"
    /** C'. */
    readonly publicKey: Uint8Array
    /** c', and K(C'->S). */
    readonly secrets: readonly [SharedKey, SharedKey]
  }
  | {
    readonly step: "ready"
    /** K(C'->S'). */
    readonly secrets: readonly [SharedKey]
  }

export const client = <A>(options: Options<A>, serverKey: PublicKey.PublicKey): Client<A> => {
  const { crypto, identity } = options
  const steps = makeSteps<ClientState>({ step: "hello", secrets: [] })

  return {
    hello: () => {
      if (steps.take("hello") === undefined) throw outOfTurn("hello")
      const ephemeral = crypto.generateKeyPair()
      const publicKey = PublicKey.toBytes(ephemeral.publicKey)
      const helloKey = crypto.sharedKey(serverKey, ephemeral.secretKey)
      const box = crypto.seal(helloKey, concat(helloPrefix, firstNonce), signed)
      steps.put({ step: "welcome", publicKey, secrets: [ephemeral.secretKey, helloKey] })
      return concat(helloName, version, zeros, publicKey, firstNonce, box)
    },

    welcome: (command) => {
      const state = steps.take("welcome")
      if (state === undefined) return refused("WELCOME out of turn")
      const [secretKey, helloKey] = state.secrets
      try {
        if (command.length !== welcomeLength || !isWelcome(command)) return refused("not a WELCOME")
        const fields = reader(command, welcomeName.length)
        const welcome = crypto.open(helloKey, concat(welcomePrefix, fields.take(longNonceLength)), fields.rest())
        if (welcome === undefined) return refused("the box of WELCOME does not open")
        const ephemeralKey = PublicKey.fromBytes(welcome.subarray(0, keyLength))
        if (ephemeralKey === undefined) return refused("S' is no public key")
        const cookie = welcome.subarray(keyLength)

        const vouchNonce = crypto.randomBytes(longNonceLength)
        const vouchKey = crypto.sharedKey(ephemeralKey, identity.secretKey)
        const vouch = crypto.seal(
          vouchKey,
          concat(vouchPrefix, vouchNonce),
          concat(state.publicKey, PublicKey.toBytes(serverKey))
        )
        wipe(vouchKey)
        const sessionKey = crypto.sharedKey(ephemeralKey, secretKey)
        const box = crypto.seal(
          sessionKey,
          concat(initiatePrefix, secondNonce),
          concat(PublicKey.toBytes(identity.publicKey), vouchNonce, vouch, options.metadata)
        )
        steps.put({ step: "ready", secrets: [sessionKey] })
        return Result.succeed(concat(initiateName, cookie, secondNonce, box))
      } finally {
        wipe(secretKey, helloKey)
      }
    },

    ready: (command) => {
      const state = steps.take("ready")
      if (state === undefined) return refused("READY out of turn")
      const [sharedKey] = state.secrets
      const metadata = openReady(crypto, sharedKey, command, options.readMetadata)
      if (Result.isFailure(metadata)) {
        wipe(sharedKey)
        return Result.fail(metadata.failure)
      }
      return Result.succeed({
        role: "client",
        peer: { publicKey: serverKey, metadata: metadata.success },
        sharedKey,
        sendNonce: clientMessages,
        recvNonce: serverMessages
      })
    },

    close: steps.drop
  }
}

const openReady = <A>(
  crypto: Crypto["Service"],
  sharedKey: SharedKey,
  command: Uint8Array,
  readMetadata: Options<A>["readMetadata"]
): Answer<A> => {
  if (command.length < readyShortest || !isReady(command)) return refused("not a READY")
  const fields = reader(command, readyName.length)
  if (!crypto.equal(fields.take(8), firstNonce)) return refused("the nonce of READY is not 1")
  const metadata = crypto.open(sharedKey, concat(readyPrefix, firstNonce), fields.rest())
  return metadata === undefined ? refused("the box of READY does not open") : readMetadata(metadata)
}

// ---------------------------------------------------------------------------------------------------------------------
// server
// ---------------------------------------------------------------------------------------------------------------------

export interface Server<A> {
  readonly hello: (command: Uint8Array) => Answer<Uint8Array>
  /** `expectedKey` is the C that INITIATE has to prove. */
  readonly initiate: (command: Uint8Array, expectedKey: PublicKey.PublicKey) => Answer<Proved<A>>
  readonly ready: () => { readonly command: Uint8Array; readonly secured: Secured<A> }
  readonly close: () => void
}

type ServerState<A> =
  | { readonly step: "hello"; readonly secrets: readonly [] }
  | {
    readonly step: "initiate"
    /** C'. */
    readonly clientKey: PublicKey.PublicKey
    /** The cookie key. s' is in the cookie alone. */
    readonly secrets: readonly [SharedKey]
  }
  | {
    readonly step: "ready"
    readonly peer: Proved<A>
    /** K(S'->C'). */
    readonly secrets: readonly [SharedKey]
  }

export const server = <A>(options: Options<A>): Server<A> => {
  const { crypto, identity } = options
  const steps = makeSteps<ServerState<A>>({ step: "hello", secrets: [] })

  return {
    hello: (command) => {
      if (steps.take("hello") === undefined) return refused("HELLO out of turn")
      if (command.length !== helloLength || !isHello(command)) return refused("not a HELLO")
      const fields = reader(command, helloName.length)
      if (!crypto.equal(fields.take(version.length), version)) return refused("the version of HELLO is not 1.0")
      if (!crypto.equal(fields.take(zeros.length), zeros)) return refused("the padding of HELLO is not zero")
      const clientKey = PublicKey.fromBytes(fields.take(keyLength))
      if (clientKey === undefined) return refused("C' is no public key")
      if (!crypto.equal(fields.take(8), firstNonce)) return refused("the nonce of HELLO is not 1")

      const helloKey = crypto.sharedKey(clientKey, identity.secretKey)
      try {
        const signature = crypto.open(helloKey, concat(helloPrefix, firstNonce), fields.rest())
        if (signature === undefined) return refused("the box of HELLO does not open")
        if (!crypto.equal(signature, signed)) return refused("the box of HELLO does not hold zeros")

        const ephemeral = crypto.generateKeyPair()
        const cookieKey: SharedKey = Redacted.make(crypto.randomBytes(keyLength), { label: "cookie key" })
        const cookieNonce = crypto.randomBytes(longNonceLength)
        const secrets = concat(PublicKey.toBytes(clientKey), Redacted.value(ephemeral.secretKey))
        const cookie = crypto.seal(cookieKey, concat(cookiePrefix, cookieNonce), secrets)
        secrets.fill(0)
        wipe(ephemeral.secretKey)
        const welcomeNonce = crypto.randomBytes(longNonceLength)
        const box = crypto.seal(
          helloKey,
          concat(welcomePrefix, welcomeNonce),
          concat(PublicKey.toBytes(ephemeral.publicKey), cookieNonce, cookie)
        )
        steps.put({ step: "initiate", clientKey, secrets: [cookieKey] })
        return Result.succeed(concat(welcomeName, welcomeNonce, box))
      } finally {
        wipe(helloKey)
      }
    },

    initiate: (command, expectedKey) => {
      const state = steps.take("initiate")
      if (state === undefined) return refused("INITIATE out of turn")
      const [cookieKey] = state.secrets
      const secretKey = openCookie(crypto, cookieKey, command, state.clientKey)
      wipe(cookieKey)
      if (secretKey === undefined) return refused("not an INITIATE with this connection's cookie")
      const sharedKey = crypto.sharedKey(state.clientKey, secretKey)
      const peer = openInitiate(options, command, { ...state, secretKey, sharedKey, expectedKey })
      wipe(secretKey)
      if (Result.isFailure(peer)) wipe(sharedKey)
      else steps.put({ step: "ready", peer: peer.success, secrets: [sharedKey] })
      return peer
    },

    ready: () => {
      const state = steps.take("ready")
      if (state === undefined) throw outOfTurn("ready")
      const [sharedKey] = state.secrets
      const box = crypto.seal(sharedKey, concat(readyPrefix, firstNonce), options.metadata)
      return {
        command: concat(readyName, firstNonce, box),
        secured: {
          role: "server",
          peer: state.peer,
          sharedKey,
          sendNonce: serverMessages,
          recvNonce: clientMessages
        }
      }
    },

    close: steps.drop
  }
}

/** s' of the cookie in an INITIATE, if it is the cookie that was made for C' under this key. */
const openCookie = (
  crypto: Crypto["Service"],
  cookieKey: SharedKey,
  command: Uint8Array,
  clientKey: PublicKey.PublicKey
): Redacted.Redacted<Uint8Array> | undefined => {
  if (command.length < initiateShortest || !isInitiate(command)) return undefined
  const cookie = reader(reader(command, initiateName.length).take(cookieLength), 0)
  const secrets = crypto.open(cookieKey, concat(cookiePrefix, cookie.take(longNonceLength)), cookie.rest())
  if (secrets === undefined) return undefined
  const same = crypto.equal(secrets.subarray(0, keyLength), PublicKey.toBytes(clientKey))
  const secretKey = Redacted.make(secrets.slice(keyLength), { label: "secret key" })
  secrets.fill(0)
  if (same) return secretKey
  wipe(secretKey)
  return undefined
}

/** Everything in an INITIATE but its cookie. */
const openInitiate = <A>(
  { crypto, identity, readMetadata }: Options<A>,
  command: Uint8Array,
  { clientKey, expectedKey, secretKey, sharedKey }: {
    readonly clientKey: PublicKey.PublicKey
    readonly expectedKey: PublicKey.PublicKey
    readonly secretKey: Redacted.Redacted<Uint8Array>
    readonly sharedKey: SharedKey
  }
): Answer<Proved<A>> => {
  const fields = reader(command, initiateName.length + cookieLength)
  if (!crypto.equal(fields.take(8), secondNonce)) return refused("the nonce of INITIATE is not 2")
  const initiate = crypto.open(sharedKey, concat(initiatePrefix, secondNonce), fields.rest())
  if (initiate === undefined) return refused("the box of INITIATE does not open")
  const claims = reader(initiate, 0)
  if (PublicKey.fromBytes(claims.take(keyLength)) !== expectedKey) {
    return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY", "C is not the key of the packet"))
  }
  const vouchNonce = concat(vouchPrefix, claims.take(longNonceLength))
  const vouchKey = crypto.sharedKey(expectedKey, secretKey)
  const vouch = crypto.open(vouchKey, vouchNonce, claims.take(vouchLength - longNonceLength))
  wipe(vouchKey)
  if (vouch === undefined) return refused("the vouch does not open")
  const vouched = concat(PublicKey.toBytes(clientKey), PublicKey.toBytes(identity.publicKey))
  if (!crypto.equal(vouch, vouched)) return refused("the vouch is for another connection")
  return Result.map(readMetadata(claims.rest()), (metadata) => ({ publicKey: expectedKey, metadata }))
}
