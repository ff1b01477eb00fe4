/** The network as a map: who is there, who sees whom, and by which way the console's own node reaches each. */
import type { Peer } from "@pnet/console/ConsoleApi"
import { useComputed } from "@preact/signals"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { go, look } from "../go.ts"
import { Canvas } from "../graph/Canvas.tsx"
import { edgesAt, mostLines, type Pair } from "../graph/edges.ts"
import { mostElements, mostNames, wayClass, wayWord } from "../graph/look.ts"
import { NetworkMap } from "../graph/map.ts"
import { Svg } from "../graph/Svg.tsx"
import { peerLink, Person, SearchBox, Since, Status, Trust } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { write } from "../route.ts"
import { matches } from "../store/network.ts"
import { byKey, conflicts, hello, network, now, peerCount, peers, route, spoken } from "../store/state.ts"
import { count, plain, several, unheeded } from "../text.ts"

const drawRef = { current: (): void => {} }
const changedRef = { current: (): void => {} }
const isCalm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches

/** It outlives the view: who comes back finds everybody where they were. */
const map = new NetworkMap(() => drawRef.current(), () => changedRef.current(), isCalm)

/** Lines by their class, those that are drawn first below. */
const linesOf = (chosen: number | undefined): Record<string, ReadonlyArray<Pair>> => {
  const lines: Record<string, Array<Pair>> = {
    mutual: [...map.edges.mutual],
    "way-lan": [],
    "way-nats": [],
    "way-web": [],
    "way-other": [],
    oneway: [...map.edges.oneWay],
    looked: [],
    lookedback: []
  }
  for (const peer of peers.value.values()) {
    if (peer.id === 0) continue
    if (peer.session !== undefined) lines[`way-${wayClass(peer.ways[0] ?? "")}`]!.push([0, peer.id])
    else if (peers.value.size <= 60) lines["mutual"]!.push([0, peer.id])
  }
  if (chosen !== undefined) {
    const { from, to } = edgesAt(network.value, chosen)
    for (const id of to) if (id !== chosen) lines["looked"]!.push([chosen, id])
    for (const id of from) if (!to.has(id) && network.value.sees.has(chosen)) lines["lookedback"]!.push([id, chosen])
  }
  return lines
}

const choose = (key: string | undefined): void => {
  look({ peer: key })
  const peer = key === undefined ? undefined : byKey.value.get(key)
  if (peer !== undefined) {
    spoken.value = `${plain(peer.name, 40)}, ${peer.status === "suspect" ? "not answering" : "online"}`
  }
}

const keyOf = (id: number): string => id === 0 ? hello.value?.node.key ?? "" : peers.value.get(id)?.key ?? ""

/** What is done with a pointer: one moves the map, two make it larger or smaller, and a touch without moving chooses. */
const usePointers = (ref: { readonly current: HTMLElement | null }, setHovered: (id: number | undefined) => void) => {
  useEffect(() => {
    const element = ref.current!
    const down = new Map<number, readonly [number, number]>()
    let moved = 0
    const at = (event: PointerEvent | WheelEvent | MouseEvent): readonly [number, number] => {
      const { left, top } = element.getBoundingClientRect()
      return [event.clientX - left, event.clientY - top]
    }
    const spread = () => {
      const [a, b] = [...down.values()]
      return a === undefined || b === undefined ? 0 : Math.hypot(a[0] - b[0], a[1] - b[1])
    }
    const listeners = {
      pointerdown: (event: PointerEvent) => {
        if (event.button !== 0) return
        down.set(event.pointerId, at(event))
        moved = 0
        element.setPointerCapture(event.pointerId)
      },
      pointermove: (event: PointerEvent) => {
        const [x, y] = at(event)
        const before = down.get(event.pointerId)
        if (before === undefined) {
          const place = map.hit(x, y)
          element.style.cursor = place === undefined ? "" : "pointer"
          return setHovered(place?.id)
        }
        moved += Math.abs(x - before[0]) + Math.abs(y - before[1])
        const wide = spread()
        down.set(event.pointerId, [x, y])
        if (down.size === 2 && wide > 0) map.zoom(spread() / wide, x, y)
        else if (down.size === 1 && moved > 4) map.pan(x - before[0], y - before[1])
      },
      pointerup: (event: PointerEvent) => {
        if (!down.delete(event.pointerId) || down.size > 0 || moved > 4) return
        const place = map.hit(...at(event))
        choose(place === undefined ? undefined : keyOf(place.id))
      },
      pointercancel: (event: PointerEvent) => void down.delete(event.pointerId),
      pointerleave: () => setHovered(undefined),
      dblclick: (event: MouseEvent) => {
        const place = map.hit(...at(event))
        if (place !== undefined && place.id !== 0) go(peerLink(keyOf(place.id)))
      },
      wheel: (event: WheelEvent) => {
        event.preventDefault()
        map.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), ...at(event))
      }
    }
    for (const [name, listener] of Object.entries(listeners)) {
      element.addEventListener(name, listener as EventListener, { passive: false })
    }
    return () => {
      for (const [name, listener] of Object.entries(listeners)) {
        element.removeEventListener(name, listener as EventListener)
      }
    }
  }, [])
}

const arrows: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1]
}

const onKey = (event: KeyboardEvent, chosen: number | undefined): void => {
  const arrow = arrows[event.key]
  if (arrow !== undefined) {
    const next = map.next(chosen ?? 0, ...arrow)
    if (next !== undefined) {
      choose(keyOf(next.id))
      map.show(next.id)
    }
  } else if (event.key === "Enter" && chosen !== undefined && chosen !== 0) go(peerLink(keyOf(chosen)))
  else if (event.key === "+" || event.key === "=") map.zoom(1.3)
  else if (event.key === "-") map.zoom(1 / 1.3)
  else if (event.key === "0") map.fit()
  else if (event.key === "Escape") choose(undefined)
  else return
  event.preventDefault()
}

export const NetworkView = () => {
  const ref = useRef<HTMLDivElement>(null)
  const [hovered, setHovered] = useState<number | undefined>(undefined)
  const [drawn, setDrawn] = useState(0)
  changedRef.current = () => setDrawn((n) => n + 1)
  const all = peers.value
  const { peer: key, q: text = "" } = route.value.query
  const chosen = key === undefined ? undefined : key === hello.value?.node.key ? 0 : byKey.value.get(key)?.id
  const shape = useComputed(() => network.value).value
  useEffect(() => map.update(shape), [shape])
  useEffect(() => {
    if (map.bury()) setDrawn((n) => n + 1)
  }, [now.value])
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => map.resize(entry!.contentRect.width, entry!.contentRect.height))
    observer.observe(ref.current!)
    return () => {
      observer.disconnect()
      map.sleep()
      drawRef.current = () => {}
      changedRef.current = () => {}
    }
  }, [])
  usePointers(ref, setHovered)
  const found = useMemo(
    () =>
      text === "" ? undefined : new Set([...all.values()].filter((peer) => matches(peer, text)).map(({ id }) => id)),
    [text, all]
  )
  const lines = useMemo(() => linesOf(chosen ?? hovered), [all, drawn, chosen, hovered])
  const contested = useMemo(() => new Set(conflicts.value.map(({ name }) => name)), [conflicts.value])
  const many = map.layout.places.size > mostNames
  const named = (id: number) =>
    id === 0 || id === chosen || id === hovered || !many ||
    (found !== undefined && found.size <= 40 && found.has(id)) ||
    contested.has(all.get(id)?.name ?? "") || map.camera.scale > 1.6
  const drawing = {
    map,
    peers: all,
    contested,
    lines,
    chosen,
    hovered,
    found,
    named,
    drawRef,
    self: { name: hello.value?.node.name ?? "", key: hello.value?.node.key ?? "" }
  }
  const Drawn = map.layout.places.size > mostElements ? Canvas : Svg
  return (
    <div class="network">
      <h1 class="unseen">Network</h1>
      <div
        ref={ref}
        class="network-map"
        role="application"
        aria-label={`Map of ${
          several(peerCount.value, "peer")
        }. Arrow keys choose, Enter opens. The same is a table at Peers.`}
        tabIndex={0}
        onKeyDown={(event) => onKey(event, chosen)}
      >
        <Drawn {...drawing} />
      </div>
      <div class="network-top">
        <SearchBox label="Find on the map" text={text} onText={(q) => look({ q })} />
        {found !== undefined && <span class="badge accent">{count(found.size)} found</span>}
      </div>
      {/* The node itself is one of them. */}
      {all.size === 1 && peerCount.value === 0 && <Alone />}
      <Legend lines={lines} />
      <div class="network-zoom" role="group" aria-label="Zoom">
        <button type="button" class="button icon" aria-label="Closer" title="Closer" onClick={() => map.zoom(1.3)}>
          <Icon.Plus />
        </button>
        <button
          type="button"
          class="button icon"
          aria-label="Farther"
          title="Farther"
          onClick={() => map.zoom(1 / 1.3)}
        >
          <Icon.Minus />
        </button>
        <button type="button" class="button icon" aria-label="Show all" title="Show all" onClick={() => map.fit()}>
          <Icon.Fit />
        </button>
      </div>
      {chosen !== undefined && <Panel id={chosen} />}
    </div>
  )
}

const Alone = () => (
  <div class="network-alone">
    <h2>Nobody else is here yet</h2>
    <p>
      Peers of the network appear as soon as they are seen. Start one with <code>pnet up</code>, or see in{" "}
      <a href={write("health")}>Health</a> what may be in the way.
    </p>
  </div>
)

const wayNames = [["way-lan", "lan"], ["way-nats", "nats"], ["way-web", "web"]] as const

const Legend = ({ lines }: { readonly lines: Readonly<Record<string, ReadonlyArray<Pair>>> }) => {
  const present = (name: string) => (lines[name]?.length ?? 0) > 0
  const counts = { suspect: 0, draining: 0 }
  for (const peer of peers.value.values()) {
    if (peer.status === "suspect") counts.suspect++
    else if (peer.draining) counts.draining++
  }
  const isMany = map.edges.pairs > mostLines
  return (
    <div class="legend">
      <span>
        <i class="swatch online" />
        {several(peerCount.value, "peer")}
      </span>
      {counts.suspect > 0 && (
        <span>
          <i class="swatch suspect" />
          {count(counts.suspect)} not answering
        </span>
      )}
      {counts.draining > 0 && (
        <span>
          <i class="swatch draining" />
          {count(counts.draining)} leaving
        </span>
      )}
      {conflicts.value.length > 0 && (
        <a href={write("health")}>
          <i class="swatch contested" />
          {several(conflicts.value.length, "name")} in conflict
        </a>
      )}
      {wayNames.filter(([name]) => present(name)).map(([name, way]) => (
        <span key={name}>
          <i class={`stroke ${name}`} />Session by {wayWord(way)}
        </span>
      ))}
      {present("way-other") && (
        <span>
          <i class="stroke way-other" />Session
        </span>
      )}
      {present("mutual") && (
        <span>
          <i class="stroke mutual" />See each other
        </span>
      )}
      {isMany && <span class="faint">{count(map.edges.pairs)} pairs see each other: choose one to see whom</span>}
      {present("oneway") && (
        <span>
          <i class="stroke oneway" />Seen one way only
        </span>
      )}
    </div>
  )
}

/** What is at a glance of the one that is chosen. */
const Panel = ({ id }: { readonly id: number }) => {
  const peer = peers.value.get(id)
  const self = hello.value
  const edges = edgesAt(network.value, id)
  return (
    <aside class="panel" aria-label="Chosen peer">
      <div class="panel-head">
        {id === 0 && self !== undefined
          ? <Person who={self.node} size={36} />
          : peer !== undefined && <Person who={peer} size={36} />}
        <button type="button" class="button plain icon tiny" aria-label="Close" onClick={() => choose(undefined)}>
          <Icon.Close />
        </button>
      </div>
      {id === 0
        ? <p class="quiet">The node that this console belongs to. It sees {several(peerCount.value, "peer")}.</p>
        : peer !== undefined && (
          <PanelFacts peer={peer} seen={edges.to.size} by={edges.from.size} said={network.value.sees.has(id)} />
        )}
      {peer !== undefined && id !== 0 && (
        <div class="panel-end">
          <a class="button main-one" href={peerLink(peer.key)}>Open</a>
          {(peer.functionCount > 0 || !peer.heeded) && (
            <a class="button" href={write("try", undefined, { peer: peer.name })}>Try a function</a>
          )}
        </div>
      )}
    </aside>
  )
}

const PanelFacts = (
  { by, peer, said, seen }: { readonly peer: Peer; readonly seen: number; readonly by: number; readonly said: boolean }
) => (
  <dl class="facts">
    <dt>Status</dt>
    <dd>
      <Status peer={peer} />
    </dd>
    <dt>Here for</dt>
    <dd>
      <Since at={peer.since} />
    </dd>
    <dt>Way</dt>
    <dd>
      {peer.ways.length === 0
        ? <span class="faint">not known</span>
        : peer.ways.map(wayWord).map((way) => plain(way, 24)).join(", ")}
    </dd>
    <dt>Session</dt>
    <dd>
      {peer.session === undefined
        ? <span class="faint">none</span>
        : `${peer.session.by === "dialled" ? "Dialled from here" : "Made by the peer"}, ${
          several(peer.session.streams, "stream")
        }`}
    </dd>
    <dt>Sees</dt>
    <dd>{said ? several(seen, "peer") : <span class="faint">has not said</span>}</dd>
    <dt>Seen by</dt>
    <dd>{several(by, "node")}</dd>
    <dt>Functions</dt>
    <dd>
      {!peer.heeded
        ? <span class="faint" title={unheeded}>on its page</span>
        : peer.offered
        ? count(peer.functionCount)
        : <span class="faint">has not said</span>}
    </dd>
    <dt>Trust</dt>
    <dd>
      <Trust of={peer.trust} />
    </dd>
  </dl>
)
