"""Drawings as SVG text. Colors come from the page's CSS variables, so they follow light and dark."""

from burnish.reporting.figures.confusion import confusion_map as confusion_map
from burnish.reporting.figures.curves import Line as Line
from burnish.reporting.figures.curves import line_panel as line_panel
from burnish.reporting.figures.finding import finding_figure as finding_figure
from burnish.reporting.figures.finding import measure_figure as measure_figure
from burnish.reporting.figures.growth import growth_panel as growth_panel
from burnish.reporting.figures.reliability import Bin as Bin
from burnish.reporting.figures.reliability import reliability_panel as reliability_panel
from burnish.reporting.figures.scatter import Point as Point
from burnish.reporting.figures.scatter import scatter as scatter
from burnish.reporting.figures.tracks import Mark as Mark
from burnish.reporting.figures.tracks import bar as bar
from burnish.reporting.figures.tracks import track as track
from burnish.reporting.figures.tracks import track_axis as track_axis
from burnish.reporting.figures.tracks import track_head as track_head
