"""Exports a raster through QGIS's own dialog, in a process of its own for the screen it needs:

export_by_dialog.py SOURCE TARGET SCREENSHOT [OPTION=VALUE]...

Chooses the format by the name the dialog shows, fills in file name and creation options, takes a picture, and presses OK.
Then does with what the dialog gives what QGIS does with it, and prints the format's short name."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pymod"))

import qgis_session  # noqa: E402
from qgis.gui import QgsFileWidget, QgsRasterLayerSaveAsDialog  # noqa: E402
from qgis.PyQt import QtCore, QtWidgets  # noqa: E402


def fill_in(dialog, target, options):
    formats = dialog.findChild(QtWidgets.QComboBox, "mFormatComboBox")
    place = formats.findText(qgis_session.LONG_NAME)
    assert place >= 0, [formats.itemText(i) for i in range(formats.count())]
    formats.setCurrentIndex(place)
    dialog.findChild(QgsFileWidget, "mFilename").setFilePath(target)
    group = dialog.findChild(QtWidgets.QGroupBox, "mCreateOptionsGroupBox")
    group.setChecked(True)
    if hasattr(group, "setCollapsed"):
        group.setCollapsed(False)
    table = dialog.findChild(QtWidgets.QTableWidget, "mOptionsTable")
    for option in options:
        row = table.rowCount()
        table.insertRow(row)
        for column, text in enumerate(option.split("=", 1)):
            table.setItem(row, column, QtWidgets.QTableWidgetItem(text))


def main(source, target, screenshot, *options):
    application = qgis_session.begin()
    raster = qgis_session.layer(source)
    provider = raster.dataProvider()
    dialog = QgsRasterLayerSaveAsDialog(raster, provider, raster.extent(), raster.crs(), raster.crs())
    dialog.resize(760, 900)
    dialog.show()
    fill_in(dialog, target, options)
    for _ in range(20):
        application.processEvents(QtCore.QEventLoop.AllEvents, 50)
    assert dialog.grab().save(screenshot)
    buttons = dialog.findChild(QtWidgets.QDialogButtonBox, "mButtonBox")
    buttons.button(QtWidgets.QDialogButtonBox.Ok).click()
    assert dialog.result() == QtWidgets.QDialog.Accepted
    result = qgis_session.export(
        raster,
        dialog.outputFileName(),
        dialog.outputFormat(),
        extent=dialog.outputRectangle(),
        size=(dialog.nColumns(), dialog.nRows()),
        options=dialog.createOptions(),
    )
    assert result == qgis_session.core.QgsRasterFileWriter.NoError
    print(dialog.outputFormat(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    import os

    os._exit(0)  # the end of QGIS within Python is not safe
