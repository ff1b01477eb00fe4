/** The map drawn as elements, which are styled, and found, as any others. Where they are is set without drawing the page anew. */
import type { Peer } from "@pnet/console/ConsoleApi"
import { useLayoutEffect, useMemo, useRef } from "preact/hooks"
import { plain } from "../text.ts"
import type { Pair } from "./edges.ts"
import { lookOf, radius } from "./look.ts"
import type { NetworkMap } from "./map.ts"

export interface Drawing {
  readonly map: NetworkMap
  readonly peers: ReadonlyMap<number, Peer>
  readonly self: { readonly name: string; readonly key: string }
  readonly contested: ReadonlySet<string>
  /** Lines by their class. */
  readonly lines: Readonly<Record<string, ReadonlyArray<Pair>>>
  readonly chosen: number | undefined
  readonly hovered: number | undefined
  /** Those that are looked for; `undefined`: nobody is. */
  readonly found: ReadonlySet<number> | undefined
  /** Whose names are beside them. */
  readonly named: (id: number) => boolean
}

const Node = ({ chosen, dim, id, look, name, named }: {
  readonly id: number
  readonly look: string
  readonly name: string
  readonly named: boolean
  readonly chosen: boolean
  readonly dim: boolean
}) =>
  useMemo(
    () => (
      <g class={`node ${look}${chosen ? " chosen" : ""}${dim ? " dim" : ""}`} data-node={id} data-name={plain(name)}>
        {look === "suspect" && <circle class="ring" r={radius(id)} />}
        {chosen && <circle class="halo" r={radius(id) + 6} />}
        <circle class="disc" r={radius(id)} />
        {named && <text y={radius(id) + 15}>{plain(name, 20)}</text>}
      </g>
    ),
    [chosen, dim, id, look, name, named]
  )

const nameOf = (drawing: Drawing, id: number): string =>
  id === 0 ? drawing.self.name : drawing.peers.get(id)?.name ?? ""

export const Svg = (drawing: Drawing & { readonly drawRef: { current: () => void } }) => {
  const { chosen, contested, drawRef, found, lines, map, named, peers } = drawing
  const ref = useRef<SVGSVGElement>(null)
  const last = useRef(drawing)
  last.current = drawing
  drawRef.current = () => {
    const svg = ref.current
    if (svg === null) return
    const { lines, map } = last.current
    for (const path of svg.querySelectorAll<SVGPathElement>("path[data-line]")) {
      path.setAttribute("d", pathOf(map, lines[path.dataset["line"]!] ?? []))
    }
    for (const node of svg.querySelectorAll<SVGGElement>("g[data-node]")) {
      const place = map.layout.places.get(Number(node.dataset["node"]))
      if (place !== undefined) node.setAttribute("transform", translated(map.at(place)))
    }
    const ghosts = map.ghosts
    svg.querySelectorAll<SVGGElement>("g[data-ghost]").forEach((node, i) => {
      const ghost = ghosts[i]
      if (ghost !== undefined) node.setAttribute("transform", translated(map.at(ghost)))
    })
  }
  useLayoutEffect(() => drawRef.current())
  return (
    <svg ref={ref} class="map" aria-hidden="true">
      {Object.keys(lines).map((name) => (
        <path key={name} data-line={name} class={`line ${name}${lines[name]!.length > 100 ? " many" : ""}`} />
      ))}
      {map.ghosts.map((ghost) => (
        <g key={ghost.key} class="node ghost" data-ghost={plain(ghost.name)}>
          <circle class="disc" r={8} />
          <text y={23}>{plain(ghost.name, 20)}</text>
        </g>
      ))}
      {[...map.layout.places.values()].map(({ id, key }) => {
        const peer = peers.get(id)
        return (
          <Node
            key={`${id} ${key}`}
            id={id}
            name={nameOf(drawing, id)}
            look={lookOf(peer, peer !== undefined && contested.has(peer.name))}
            named={named(id)}
            chosen={id === chosen}
            dim={found !== undefined && !found.has(id)}
          />
        )
      })}
    </svg>
  )
}

const translated = ([x, y]: readonly [number, number]): string => `translate(${x.toFixed(1)} ${y.toFixed(1)})`

const pathOf = (map: NetworkMap, pairs: ReadonlyArray<Pair>): string => {
  let path = ""
  for (const [from, to] of pairs) {
    const a = map.layout.places.get(from)
    const b = map.layout.places.get(to)
    if (a === undefined || b === undefined) continue
    const [ax, ay] = map.at(a)
    const [bx, by] = map.at(b)
    path += `M${ax.toFixed(1)} ${ay.toFixed(1)}L${bx.toFixed(1)} ${by.toFixed(1)}`
  }
  return path
}
