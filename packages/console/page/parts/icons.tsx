/** Pictures of 16 by 16, drawn with the colour of the text around them. */
import type { JSX } from "preact"

const icon = (paths: ReadonlyArray<string>, size = 16) => (): JSX.Element => (
  <svg
    width={size}
    height={size}
    viewBox="0 0 16 16"
    fill="none"
    stroke="currentColor"
    stroke-width="1.5"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    {paths.map((d) => <path d={d} key={d} />)}
  </svg>
)

export const Search = icon(["M7 12.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11Z", "m11 11 3.500 3.500"])
export const Copy = icon(["M5.500 5.500v-3h8v8h-3", "M2.500 5.500h8v8h-8z"])
export const Check = icon(["m3 8.500 3.500 3.500L13 4.500"])
export const Close = icon(["m4 4 8 8", "m12 4-8 8"])
export const Plus = icon(["M8 3v10", "M3 8h10"])
export const Minus = icon(["M3 8h10"])
export const Up = icon(["m4 9.500 4-4 4 4"], 12)
export const Fit = icon(["M2.500 6v-3.500H6", "M10 2.500h3.500V6", "M13.500 10v3.500H10", "M6 13.500H2.500V10"])
export const Sun = icon([
  "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  "M8 1v1.200M8 13.800V15M1 8h1.200M13.800 8H15M3.050 3.050l.850.850M12.100 12.100l.850.850M3.050 12.950l.850-.850M12.100 3.900l.850-.850"
])
export const Moon = icon(["M13.500 9.500A6 6 0 0 1 6.500 2.500a6 6 0 1 0 7 7Z"])
export const Screen = icon(["M2 3h12v8H2z", "M6 14h4"])
export const Warning = icon(["M8 2 1.500 13.500h13L8 2Z", "M8 6.500v3", "M8 11.700v.05"])
export const Keyboard = icon([
  "M1.500 4h13v8h-13z",
  "M4 6.700h.05M6.700 6.700h.05M9.300 6.700h.05M12 6.700h.05M5 9.500h6"
])
export const Play = icon(["M4.500 3v10l8-5z"])
export const Stop = icon(["M4 4h8v8H4z"])
export const Back = icon(["m9.500 4-4 4 4 4"])
export const Trash = icon(["M3 4.500h10", "M6.500 4.500v-2h3v2", "M4.500 4.500l.500 9h6l.500-9"])
export const Down = icon(["m4 6.500 4 4 4-4"])
export const Network = icon([
  "M8 5.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  "M3.500 14.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  "M12.500 14.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  "m7 5.300-2.500 5.400M9 5.300l2.500 5.400M5.500 12.500h5"
], 24)
export const Pulse = icon(["M1.500 8H5l1.800-4.500L9.500 12.500 11 8h3.500"], 24)
export const List = icon(["M5.500 4h8M5.500 8h8M5.500 12h8", "M2.500 4h.05M2.500 8h.05M2.500 12h.05"], 24)
export const Heart = icon([
  "M8 13.500 2.700 8.300a3.300 3.300 0 0 1 4.600-4.700l.700.700.700-.700a3.300 3.300 0 0 1 4.600 4.700L8 13.500Z"
], 24)
export const Tray = icon(["M2 9.500 4 3h8l2 6.500v4H2v-4Z", "M2 9.500h3.500l1 1.500h3l1-1.500H14"], 24)

export const Mark = (): JSX.Element => (
  <svg width="20" height="20" viewBox="0 0 20 20" class="brand-mark" aria-hidden="true">
    <path
      d="M4.500 5.500 15.500 5 10.500 15.500z"
      fill="none"
      stroke="currentColor"
      stroke-width="1.600"
      opacity=".55"
    />
    <circle cx="4.500" cy="5.500" r="3.200" fill="currentColor" />
    <circle cx="15.500" cy="5" r="2.400" fill="currentColor" />
    <circle cx="10.500" cy="15.500" r="2.600" fill="currentColor" />
  </svg>
)
