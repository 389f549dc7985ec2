/** A small chart of the last half hour: bars or a filled line, drawn as SVG. */

import { setAttribute } from "./dom.js";

/** @typedef {import("../model/pulse.js").Beat} Beat */

const WIDTH = 240;
const HEIGHT = 44;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make a chart. It is described in words by `label`; the drawing itself is for the eye.
 *
 * @param {"bars" | "line"} kind
 */
export function makeChart(kind) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.classList.add("chart");
  const unseen = svg.appendChild(document.createElementNS(SVG, "path"));
  unseen.classList.add("blind");
  const area = svg.appendChild(document.createElementNS(SVG, "path"));
  area.classList.add("area");
  const edge = svg.appendChild(document.createElementNS(SVG, "path"));
  edge.classList.add("edge");
  return {
    element: svg,
    /**
     * @param {readonly Beat[]} beats
     * @param {(beat: Beat) => number} valueOf
     * @param {string} label
     */
    update(beats, valueOf, label) {
      const top = Math.max(1, ...beats.map(valueOf));
      const step = WIDTH / beats.length;
      const points = beats.map((beat, index) => ({
        x: index * step,
        y: HEIGHT - 1 - (valueOf(beat) / top) * (HEIGHT - 4),
        seen: beat.seen || valueOf(beat) > 0,
      }));
      const seen = points.filter((point) => point.seen);
      setAttribute(svg, "aria-label", label);
      const blind = seen[0]?.x ?? WIDTH;
      setAttribute(unseen, "d", blind > 0 ? `M0 ${HEIGHT - 1}H${blind.toFixed(1)}` : "");
      if (kind === "bars") {
        const bars = seen.map(
          ({ x, y }) =>
            `M${(x + 1).toFixed(1)} ${HEIGHT}V${y.toFixed(1)}h${(step - 2).toFixed(1)}V${HEIGHT}z`,
        );
        setAttribute(area, "d", bars.join(""));
      } else {
        const line = seen
          .map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}H${(x + step).toFixed(1)}`)
          .join("L");
        setAttribute(edge, "d", line === "" ? "" : `M${line}`);
        setAttribute(area, "d", line === "" ? "" : `M${blind.toFixed(1)} ${HEIGHT}L${line}V${HEIGHT}z`);
      }
    },
  };
}
