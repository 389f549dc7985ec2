/** A small chart of the last half hour: bars or a filled line, drawn as SVG. */

import { setAttribute } from "../../dialog/dom.js";

/** @typedef {import("../model/samples.js").MinuteSample} MinuteSample */

const WIDTH = 240;
const HEIGHT = 44;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make a chart. `label` describes it in words.
 *
 * @param {"bars" | "line"} kind
 */
export function makeChart(kind) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.classList.add("chart");
  const gap = svg.appendChild(document.createElementNS(SVG, "path"));
  gap.classList.add("gap");
  const area = svg.appendChild(document.createElementNS(SVG, "path"));
  area.classList.add("area");
  const edge = svg.appendChild(document.createElementNS(SVG, "path"));
  edge.classList.add("edge");
  return {
    element: svg,
    /**
     * @param {readonly MinuteSample[]} minutes
     * @param {(minute: MinuteSample) => number} valueOf
     * @param {string} label
     */
    update(minutes, valueOf, label) {
      const top = Math.max(1, ...minutes.map(valueOf));
      const step = WIDTH / minutes.length;
      const points = minutes.map((minute, index) => ({
        x: index * step,
        y: HEIGHT - 1 - (valueOf(minute) / top) * (HEIGHT - 4),
        sampled: minute.sampled || valueOf(minute) > 0,
      }));
      const sampled = points.filter((point) => point.sampled);
      setAttribute(svg, "aria-label", label);
      const firstX = sampled[0]?.x ?? WIDTH;
      setAttribute(gap, "d", firstX > 0 ? `M0 ${HEIGHT - 1}H${firstX.toFixed(1)}` : "");
      if (kind === "bars") {
        const bars = sampled.map(
          ({ x, y }) =>
            `M${(x + 1).toFixed(1)} ${HEIGHT}V${y.toFixed(1)}h${(step - 2).toFixed(1)}V${HEIGHT}z`,
        );
        setAttribute(area, "d", bars.join(""));
      } else {
        const line = sampled
          .map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}H${(x + step).toFixed(1)}`)
          .join("L");
        setAttribute(edge, "d", line === "" ? "" : `M${line}`);
        setAttribute(area, "d", line === "" ? "" : `M${firstX.toFixed(1)} ${HEIGHT}L${line}V${HEIGHT}z`);
      }
    },
  };
}
