"""Notebooks run and turned into reports: the only code that knows papermill and nbconvert.

`run_notebook` executes, `notebook_html` converts, `render_report` does both and writes the files. Papermill, nbconvert
and plotly are imported when one of them is called, not before.
"""

from ddreport.rendering.html import notebook_html
from ddreport.rendering.notebook import notebook_parameters, run_notebook
from ddreport.rendering.report import RenderedReport, render_report

__all__ = ["RenderedReport", "notebook_html", "notebook_parameters", "render_report", "run_notebook"]
