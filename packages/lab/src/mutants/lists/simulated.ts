/** The simulated network, whose faults would be those of every test on it. */
import { of, suites } from "./of.ts"

const heard = suites("testing/Audience")

const datagrams = of("sim-audience", "packages/testing/src/internal/datagrams.ts", heard, {
  "follow": [
    `if (this.#opened < changes.opened.length) this.#follow(changes.opened)`,
    ``,
    "a socket that comes after a broadcast hears none"
  ],
  "places": [`else there.push(place)`, ``, "a host of two interfaces hears at one of them"],
  "single": [`isOpen && all.length === 1 &&`, `isOpen && all.length > 0 &&`, "one of two sockets hears a broadcast"],
  "nobody": [`isOpen && all.length === 0 ? nobody`, `isOpen ? nobody`, "what two sockets hear is heard by none"],
  "frozen": [
    `known === taken && !world.changes.isFrozen(audience.hosts[place]!)`,
    `known === taken`,
    "a process that is paused is given what comes"
  ]
})

const world = of("sim-changes", "packages/testing/src/internal/world.ts", heard, {
  "most": [
    `    this.opened.length = 0
    this.count++`,
    `    this.opened.length = 0`,
    "after many sockets have come and gone, those that come hear no broadcast"
  ],
  "host-twice": [
    `if (paused === this.#paused) return
    this.#paused = paused
    this.changes.freeze(this.id`,
    `this.#paused = paused
    this.changes.freeze(this.id`,
    "a host that was told twice to go on is given what comes while it is paused"
  ]
})

const process = of("sim-process", "packages/testing/src/internal/process.ts", heard, {
  "twice": [
    `if (paused === this.#paused) return`,
    ``,
    "a process that was told twice to go on is given what comes while it is paused"
  ],
  "dead": [
    `if (this.alive) this.host.changes.freeze`,
    `this.host.changes.freeze`,
    "who tells a dead process to go on has another one of its host given what comes while it is paused"
  ]
})

const sockets = of("sim-at-once", "packages/testing/src/internal/sockets.ts", heard, {
  "once": [
    `    endpoint.out.write(bytes.slice(), () => {})
    return true`,
    `    return endpoint.out.write(bytes.slice(), () => {})`,
    "bytes that go out are said not to, and go out twice"
  ]
})

const atOnce = suites("testing/AtOnce")

const reading = of("sim-at-once", "packages/testing/src/internal/sockets.ts", atOnce, {
  "again": [
    `(next === 0 ? chunks : chunks.slice(next))`,
    `chunks`,
    "what was given to a function comes again to who pulls"
  ],
  "closed": [
    ` && !isOver() && !endpoint.closed) {`,
    ` && !isOver()) {`,
    "bytes are given when the connection is closed"
  ],
  "over": [
    ` && !isOver() && !endpoint.closed) {`,
    ` && !endpoint.closed) {`,
    "bytes are given to who was interrupted"
  ],
  "frozen": [
    `!process.alive || process.frozen || endpoint.gone`,
    `!process.alive || endpoint.gone`,
    "a process that is paused writes"
  ]
})

const pipes = of("sim-at-once", "packages/testing/src/internal/pipe.ts", atOnce, {
  "room": [
    `this.#outstanding + length <= this.#world.streams.window\n`,
    `this.#outstanding <= this.#world.streams.window\n`,
    "more is taken at once than there is room for"
  ]
})

export const simulatedList = [...datagrams, ...world, ...process, ...sockets, ...reading, ...pipes]
