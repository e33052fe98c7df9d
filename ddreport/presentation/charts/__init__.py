"""Charts: tables of `ddreport.metrics` in, figures with words and numbers out. None of them shows itself unasked."""

from ddreport.presentation.charts.chart import Chart
from ddreport.presentation.charts.compliance import compliance_chart
from ddreport.presentation.charts.matrix import check_matrix_chart
from ddreport.presentation.charts.resources import top_resources_chart
from ddreport.presentation.charts.severity import severity_chart

__all__ = ["Chart", "check_matrix_chart", "compliance_chart", "severity_chart", "top_resources_chart"]
