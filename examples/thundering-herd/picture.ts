/** Calls per second of several recoveries, one below the other, as an SVG that needs nothing else. */
import type { Recovery } from './herd.ts'

const [WIDTH, HEIGHT, LEFT, TOP, ROW] = [760, 150, 60, 56, 240] as const

export function picture(
  rows: readonly { readonly title: string; readonly recovery: Recovery }[],
  { downS, bearsPerSecond }: { readonly downS: number; readonly bearsPerSecond: number },
): string {
  const seconds = Math.max(...rows.map(({ recovery }) => recovery.callsPerSecond.length))
  const most = Math.max(...rows.flatMap(({ recovery }) => recovery.callsPerSecond))
  const x = (second: number): number => Math.round(LEFT + (second / seconds) * WIDTH)
  const tall = (calls: number): number => Math.round((calls / most) * HEIGHT)
  const drawn = rows.map(({ title, recovery }, i) => {
    const base = TOP + i * ROW + HEIGHT
    const bars = recovery.callsPerSecond.map((calls, s) => {
      const colour = s >= downS && calls <= bearsPerSecond ? '#2a7f62' : '#c0392b'
      const width = Math.max(1, x(s + 1) - x(s) - 1)
      return `<rect x="${x(s)}" y="${base - tall(calls)}" width="${width}" height="${tall(calls)}" fill="${colour}"/>`
    })
    const bearable = base - tall(bearsPerSecond)
    return [
      `<text x="${LEFT}" y="${base - HEIGHT - 14}" font-weight="bold">${title}: recovered after ${recovery.recoveredS.toFixed(0)} s, ${recovery.refused} calls refused</text>`,
      `<rect x="${x(0)}" y="${base - HEIGHT}" width="${x(downS) - x(0)}" height="${HEIGHT}" fill="#eeeeee"/>`,
      ...bars,
      `<line x1="${LEFT}" y1="${bearable}" x2="${LEFT + WIDTH}" y2="${bearable}" stroke="#333333" stroke-dasharray="4 4"/>`,
      `<line x1="${LEFT}" y1="${base}" x2="${LEFT + WIDTH}" y2="${base}" stroke="#333333"/>`,
      `<text x="${LEFT - 8}" y="${base - HEIGHT + 10}" text-anchor="end">${most}/s</text>`,
      `<text x="${LEFT - 8}" y="${bearable + 4}" text-anchor="end">${bearsPerSecond}/s</text>`,
      `<text x="${LEFT}" y="${base + 16}">0 s</text>`,
      `<text x="${LEFT + WIDTH}" y="${base + 16}" text-anchor="end">${seconds} s</text>`,
    ].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 ${rows.length * ROW + 20}" font-family="sans-serif" font-size="12">
<title>Calls per second to a database that comes back, with and without jitter</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${drawn.join('\n')}
<text x="${LEFT}" y="${rows.length * ROW + 10}">grey: it is down; dashed: what it bears; red: seconds in which calls failed</text>
</svg>
`
}
